#include "dispatch.hpp"

#include <atomic>
#include <string>

namespace podhand::free_space {
namespace {

std::vector<const Operations*> runnable() {
  std::vector<const Operations*> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2") &&
                      __builtin_cpu_supports("avx512vpopcntdq");
  if (avx512) found.push_back(&avx512_operations());
  if (avx2) found.push_back(&avx2_operations());
#elif defined(__aarch64__)
  found.push_back(&neon_operations());
#endif
  found.push_back(&portable_operations());
  return found;
}

std::atomic<const Operations*>& in_use() {
  static std::atomic<const Operations*> chosen = runnable().front();
  return chosen;
}

}  // namespace

const Operations& operations() { return *in_use().load(std::memory_order_relaxed); }

std::vector<std::string_view> instruction_sets() {
  std::vector<std::string_view> names;
  for (const Operations* operations : runnable()) names.emplace_back(operations->name);
  return names;
}

std::string_view instruction_set() { return operations().name; }

void use_instruction_set(std::string_view name) {
  std::string known;
  for (const Operations* operations : runnable()) {
    if (operations->name == name) {
      in_use().store(operations);
      return;
    }
    known += std::string(known.empty() ? "" : ", ") + operations->name;
  }
  throw Refusal("instruction set: got \"" + std::string(name) + "\", this machine and build have " + known);
}

}  // namespace podhand::free_space
