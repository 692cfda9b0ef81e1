/// Conditions: comparison, logic, hysteresis, debounce, edges, unknown values.
#include "check.hpp"
#include "conditions.hpp"

#include <initializer_list>
#include <limits>

using namespace podhand;

namespace {

Node node(Op op, double value = 0, double hysteresis = 0, int index = 0) {
  Node n{};
  n.op = op;
  n.signal = Signal::kForce;
  n.index = static_cast<std::uint8_t>(index);
  n.value = value;
  n.hysteresis = hysteresis;
  return n;
}

Condition program(std::initializer_list<Node> nodes, double debounce_s = 0) {
  Condition c{};
  for (const Node& n : nodes) c.nodes[c.node_count++] = n;
  c.debounce_s = debounce_s;
  return c;
}

struct Probe {
  ConditionState state{};
  Signals signals{};
  bool operator()(const Condition& c, double x, double y = 0) {
    signals.wrench[0] = x;
    signals.wrench[1] = y;
    return state.step(c, signals, 1e-3);
  }
};

void compares_with_hysteresis() {
  const Condition c = program({node(Op::kGreater, 10, 2)});
  Probe p;
  CHECK(!p(c, 10));
  CHECK(p(c, 10.5));
  CHECK_NEAR(p.state.value(), 10.5, 0);
  CHECK(p(c, 8.5));
  CHECK(!p(c, 7.9));
  CHECK(!p(c, 9.0));
}

void takes_absolute_values() {
  Condition c = program({node(Op::kGreater, 10)});
  Probe p;
  CHECK(!p(c, -20));
  c.nodes[0].absolute = 1;
  CHECK(p(c, -20));
  CHECK_NEAR(p.state.value(), 20, 0);
}

void combines() {
  const Condition both = program({node(Op::kGreater, 1), node(Op::kLess, -1, 0, 1), node(Op::kAnd)});
  const Condition either = program({node(Op::kGreater, 1), node(Op::kLess, -1, 0, 1), node(Op::kOr), node(Op::kNot)});
  Probe p, q;
  CHECK(p(both, 2, -2));
  CHECK(!p(both, 2, 0));
  CHECK(!q(either, 2, 0));
  CHECK(q(either, 0, 0));
}

void debounces_without_a_break() {
  const Condition c = program({node(Op::kGreater, 1)}, 0.003);
  Probe p;
  for (int i = 0; i < 3; ++i) CHECK(!p(c, 2));
  CHECK(!p(c, 0));
  for (int i = 0; i < 3; ++i) CHECK(!p(c, 2));
  CHECK(p(c, 2));
}

void sees_edges_only() {
  const Condition c = program({node(Op::kGreater, 1), node(Op::kRising)});
  Probe p;
  CHECK(!p(c, 2));  // true from the beginning is no edge
  CHECK(!p(c, 0));
  CHECK(p(c, 2));
  CHECK(!p(c, 2));
}

void unknown_is_neither_true_nor_false() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Condition above = program({node(Op::kGreater, 1)});
  const Condition not_above = program({node(Op::kGreater, 1), node(Op::kNot)});
  const Condition or_known = program({node(Op::kGreater, 1), node(Op::kGreater, 1, 0, 1), node(Op::kOr)});
  Probe a, b, c;
  CHECK(!a(above, nan));
  CHECK(!b(not_above, nan));
  CHECK(c(or_known, nan, 2));
  CHECK(!c(or_known, nan, 0));
}

}  // namespace

int main() {
  compares_with_hysteresis();
  takes_absolute_values();
  combines();
  debounces_without_a_break();
  sees_edges_only();
  unknown_is_neither_true_nor_false();
}
