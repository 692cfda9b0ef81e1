/// A finding in words.
#include <podhand/kernel.hpp>

#include <cstdio>

namespace podhand {

std::string in_words(const Verdict& verdict) {
  std::string text;
  if (verdict.segment >= 0) text = "segment " + std::to_string(verdict.segment) + ": ";
  if (verdict.where != nullptr) text += std::string(verdict.where) + ": ";
  text += verdict.rule;
  char numbers[96];
  if (verdict.low != 0.0 || verdict.high != 0.0) {
    // The smallest normal number stands for "more than zero".
    if (verdict.low > 0.0 && verdict.low < 1e-300) {
      std::snprintf(numbers, sizeof numbers, " (got %.6g, allowed above 0, up to %.6g)", verdict.value, verdict.high);
    } else {
      std::snprintf(numbers, sizeof numbers, " (got %.6g, allowed %.6g .. %.6g)", verdict.value, verdict.low,
                    verdict.high);
    }
    text += numbers;
  } else if (verdict.value != 0.0) {
    std::snprintf(numbers, sizeof numbers, " (got %.6g)", verdict.value);
    text += numbers;
  }
  return text;
}

}  // namespace podhand
