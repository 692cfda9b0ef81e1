/// The kernel for a Python host in the same process: bound buffers, one call per tick, recording.
#include "bindings.hpp"

#include <chrono>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace podhand::bindings {
namespace {

void accept(const Verdict& verdict) {
  if (!verdict.ok()) throw KernelRefusal(in_words(verdict));
}

/// What a recording keeps of a tick: enough to run it again and to compare.
struct TickRecord {
  Inputs inputs;
  Outputs outputs;
};

/// A kernel and the records it works on. Lives on the heap at a fixed place: numpy views point into it.
class BoundKernel {
 public:
  void tick() noexcept {
    const auto begin = std::chrono::steady_clock::now();
    kernel.tick(inputs, outputs);
    busy_ += std::chrono::steady_clock::now() - begin;
    if (capacity_ == 0) return;
    if (used_ < capacity_)
      records_[used_++] = {inputs, outputs};
    else
      ++overflow_;
  }

  void record_into(std::size_t capacity) {
    records_ = std::vector<TickRecord>(capacity);
    capacity_ = capacity;
    used_ = 0;
    overflow_ = 0;
  }

  py::bytes drain_ticks() {
    py::bytes out(reinterpret_cast<const char*>(records_.data()), used_ * sizeof(TickRecord));
    used_ = 0;
    return out;
  }

  [[nodiscard]] std::uint64_t overflow() const noexcept { return overflow_; }
  /// Wall time inside Kernel::tick so far; the two clock readings, some 50 ns, are counted in.
  [[nodiscard]] double busy_s() const noexcept { return std::chrono::duration<double>(busy_).count(); }
  [[nodiscard]] std::size_t recorded() const noexcept { return used_; }

  Kernel kernel{};
  Inputs inputs{};
  Outputs outputs{};

 private:
  std::vector<TickRecord> records_{};
  std::size_t capacity_{}, used_{};
  std::uint64_t overflow_{};
  std::chrono::steady_clock::duration busy_{};
};

template <typename Record>
const Record& one_record(const py::array& array, const char* name) {
  const Record* records = records_of<Record>(array, name);
  if (array.size() != 1) throw py::type_error(std::string(name) + " must hold exactly one record");
  return *records;
}

std::uint32_t submit(BoundKernel& self, int channel, const py::array& segments) {
  const Segment* chain = records_of<Segment>(segments, "SEGMENT");
  accept(self.kernel.submit(channel, chain, static_cast<std::size_t>(segments.size())));
  return self.kernel.state().chain[channel];
}

py::object take_outcome(BoundKernel& self) {
  Outcome outcome;
  if (!self.kernel.take_outcome(outcome)) return py::none();
  return py::array(py::dtype::of<Outcome>(), py::array::ShapeContainer{}, &outcome);
}

py::array tick_many(BoundKernel& self, const py::array& inputs) {
  const Inputs* in = records_of<Inputs>(inputs, "INPUTS");
  const py::ssize_t count = inputs.size();
  py::array outputs(py::dtype::of<Outputs>(), std::vector<py::ssize_t>{count});
  auto* out = static_cast<Outputs*>(outputs.mutable_data());
  for (py::ssize_t i = 0; i < count; ++i) {
    self.inputs = in[i];
    self.tick();
    out[i] = self.outputs;
  }
  return outputs;
}

void restore(BoundKernel& self, const py::bytes& state, const py::array& arm, const py::array& band_arm) {
  const auto bytes = static_cast<std::string_view>(state);
  auto record = std::make_unique<KernelState>();
  if (bytes.size() != sizeof *record) throw py::type_error("state must be what the kernel of this build saved");
  std::memcpy(record->words, bytes.data(), bytes.size());
  const Segment* chains[kChannels] = {records_of<Segment>(arm, "SEGMENT"), records_of<Segment>(band_arm, "SEGMENT")};
  const std::size_t counts[kChannels] = {static_cast<std::size_t>(arm.size()),
                                         static_cast<std::size_t>(band_arm.size())};
  self.kernel.restore(*record, chains, counts);
}

}  // namespace

void bind_kernel(py::module_& module) {
  py::register_exception<KernelRefusal>(module, "KernelRefusal", PyExc_ValueError);
  py::class_<BoundKernel>(module, "Kernel", "The deterministic 1 kHz step of the whole cell.")
      .def(py::init<>())
      .def(
          "configure",
          [](BoundKernel& self, const py::array& config) {
            accept(self.kernel.configure(one_record<KernelConfig>(config, "KERNEL_CONFIG")));
          },
          py::arg("config"))
      .def("submit", &submit, py::arg("channel"), py::arg("segments"))
      .def(
          "cancel",
          [](BoundKernel& self, int channel, std::uint32_t cause) {
            self.kernel.cancel(channel, static_cast<Cause>(cause));
          },
          py::arg("channel") = -1, py::arg("cause") = static_cast<std::uint32_t>(Cause::kCancelled))
      .def(
          "set_payload",
          [](BoundKernel& self, int index, const py::array& payload) {
            accept(self.kernel.set_payload(index, one_record<PayloadConfig>(payload, "PAYLOAD")));
          },
          py::arg("index"), py::arg("payload"))
      .def("reset_fault", [](BoundKernel& self) { accept(self.kernel.reset_fault()); })
      .def("take_outcome", &take_outcome)
      .def("restore", &restore, py::arg("state"), py::arg("arm"), py::arg("band_arm"))
      .def("tick", &BoundKernel::tick)
      .def("tick_many", &tick_many, py::arg("inputs"))
      .def("record_into", &BoundKernel::record_into, py::arg("capacity"))
      .def("drain_ticks", &BoundKernel::drain_ticks)
      .def_property_readonly("recorded", &BoundKernel::recorded)
      .def_property_readonly("overflow", &BoundKernel::overflow)
      .def_property_readonly("busy_s", &BoundKernel::busy_s)
      .def_property_readonly("inputs",
                             [](py::object self) { return view_of(&self.cast<BoundKernel&>().inputs, self, true); })
      .def_property_readonly("outputs",
                             [](py::object self) { return view_of(&self.cast<BoundKernel&>().outputs, self, true); })
      .def_property_readonly("state", [](py::object self) {
        return view_of(const_cast<State*>(&self.cast<BoundKernel&>().kernel.state()), self, false);
      });
  module.attr("STATE_BYTES") = sizeof(KernelState);
  module.def(
      "validate_config",
      [](const py::array& config) { accept(validate(one_record<KernelConfig>(config, "KERNEL_CONFIG"))); },
      py::arg("config"));
  module.def(
      "validate_chain",
      [](const py::array& config, const py::array& segments, int channel) {
        const Segment* chain = records_of<Segment>(segments, "SEGMENT");
        accept(validate(one_record<KernelConfig>(config, "KERNEL_CONFIG"), chain,
                        static_cast<std::size_t>(segments.size()), channel));
      },
      py::arg("config"), py::arg("segments"), py::arg("channel"));
}

}  // namespace podhand::bindings
