/// podhand._ethercat_emulator: emulated EtherCAT slaves. Calls may come while `serve` runs in another thread.
#include <ethercat_emulator/packet_port.hpp>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>

namespace podhand::ethercat {
namespace {

namespace py = pybind11;

class SharedNetwork {
 public:
  explicit SharedNetwork(const std::vector<DriveConfig>& drives) : network_(drives) {}

  void serve(const std::string& interface) {
    stop_ = false;
    ethercat::serve(network_, mutex_, interface, stop_);
  }
  void stop() { stop_ = true; }

  /// Calls with the network while nobody else uses it.
  template <typename Use>
  auto with(Use use) {
    const std::lock_guard lock(mutex_);
    return use(network_);
  }

 private:
  Network network_;
  std::mutex mutex_;
  std::atomic<bool> stop_{};
};

py::list as_list(const std::vector<Bytes>& frames) {
  py::list out;
  for (const Bytes& frame : frames) out.append(py::bytes(reinterpret_cast<const char*>(frame.data()), frame.size()));
  return out;
}

py::list process(SharedNetwork& self, const py::bytes& frame, std::int64_t now_ns) {
  const std::string_view bytes = frame;
  const View view(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return as_list(self.with([&](Network& network) { return network.process(view, now_ns); }));
}

AlState state_of(int state) {
  if (state != 1 && state != 2 && state != 4 && state != 8) {
    throw std::invalid_argument("state must be 1, 2, 4 or 8 (got " + std::to_string(state) + ")");
  }
  return static_cast<AlState>(state);
}

py::dict counters(SharedNetwork& self) {
  const LineCounters now = self.with([](Network& network) { return network.counters; });
  py::dict out;
  out["processed"] = now.processed;
  out["rejected"] = now.rejected;
  out["lost"] = now.lost;
  out["delayed"] = now.delayed;
  out["duplicated"] = now.duplicated;
  out["miscounted"] = now.miscounted;
  return out;
}

DriveConfig make_config(std::uint32_t vendor_id, std::uint32_t product_code, std::uint32_t revision,
                        std::uint32_t serial, const std::string& name, double start_counts, double time_constant_s,
                        double max_speed_counts_s) {
  DriveConfig config{
      {vendor_id, product_code, revision, serial, name}, start_counts, time_constant_s, max_speed_counts_s};
  config.validate();
  return config;
}

}  // namespace
}  // namespace podhand::ethercat

PYBIND11_MODULE(_ethercat_emulator, module) {
  namespace py = pybind11;
  using namespace podhand::ethercat;
  module.doc() = "Emulated EtherCAT slaves: frames in, frames out.";
  const DriveConfig usual{};
  py::class_<DriveConfig>(module, "DriveConfig")
      .def(py::init(&make_config), py::kw_only(), py::arg("vendor_id") = usual.identity.vendor_id,
           py::arg("product_code") = usual.identity.product_code, py::arg("revision") = usual.identity.revision,
           py::arg("serial") = usual.identity.serial, py::arg("name") = usual.identity.name,
           py::arg("start_counts") = usual.start_counts, py::arg("time_constant_s") = usual.time_constant_s,
           py::arg("max_speed_counts_s") = usual.max_speed_counts_s);
  py::class_<SharedNetwork>(module, "Network")
      .def(py::init<const std::vector<DriveConfig>&>(), py::arg("drives"))
      .def("__len__", [](SharedNetwork& self) { return self.with([](Network& n) { return n.size(); }); })
      .def("process", &process, py::arg("frame"), py::arg("now_ns"))
      .def(
          "poll",
          [](SharedNetwork& self, std::int64_t now_ns) {
            return as_list(self.with([&](Network& n) { return n.poll(now_ns); }));
          },
          py::arg("now_ns"))
      .def("serve", &SharedNetwork::serve, py::arg("interface"), py::call_guard<py::gil_scoped_release>())
      .def("stop", &SharedNetwork::stop)
      .def_property_readonly("counters", &counters)
      .def(
          "lose",
          [](SharedNetwork& self, std::uint64_t frames) { self.with([&](Network& n) { n.faults.lose = frames; }); },
          py::arg("frames"))
      .def(
          "duplicate",
          [](SharedNetwork& self, std::uint64_t frames) {
            self.with([&](Network& n) { n.faults.duplicate = frames; });
          },
          py::arg("frames"))
      .def(
          "delay",
          [](SharedNetwork& self, std::uint64_t frames, double delay_s) {
            if (!(delay_s >= 0 && delay_s <= 3600)) throw std::invalid_argument("delay_s must be in 0 .. 3600");
            self.with([&](Network& n) {
              n.faults.delay = frames;
              n.faults.delay_ns = static_cast<std::int64_t>(1e9 * delay_s);
            });
          },
          py::arg("frames"), py::arg("delay_s"))
      .def(
          "miscount",
          [](SharedNetwork& self, std::uint64_t datagrams, std::int16_t by) {
            self.with([&](Network& n) {
              n.faults.miscount = datagrams;
              n.faults.miscount_by = by;
            });
          },
          py::arg("datagrams"), py::arg("by"))
      .def(
          "cut_before",
          [](SharedNetwork& self, std::size_t slave) { self.with([&](Network& n) { n.cut_before(slave); }); },
          py::arg("slave"))
      .def("mend", [](SharedNetwork& self) { self.with([](Network& n) { n.cut_before(n.size()); }); })
      .def(
          "power_cycle",
          [](SharedNetwork& self, std::size_t slave) {
            self.with([&](Network& n) { n.slave(slave).power_cycle(n.now_ns()); });
          },
          py::arg("slave"))
      .def(
          "fall",
          [](SharedNetwork& self, std::size_t slave, int state, std::uint16_t code) {
            self.with([&](Network& n) { n.slave(slave).fall(state_of(state), code); });
          },
          py::arg("slave"), py::arg("state"), py::arg("code"))
      .def(
          "trip",
          [](SharedNetwork& self, std::size_t slave, std::uint16_t error_code) {
            self.with([&](Network& n) { n.drive(slave).trip(error_code); });
          },
          py::arg("slave"), py::arg("error_code"))
      .def(
          "hold_statusword",
          [](SharedNetwork& self, std::size_t slave, bool held) {
            self.with([&](Network& n) { n.drive(slave).hold_statusword = held; });
          },
          py::arg("slave"), py::arg("held"))
      .def(
          "jump_encoder",
          [](SharedNetwork& self, std::size_t slave, double counts) {
            if (!(std::abs(counts) < 0x1p30)) throw std::invalid_argument("counts must be within 2^30");
            self.with([&](Network& n) { n.drive(slave).encoder_error_counts += counts; });
          },
          py::arg("slave"), py::arg("counts"))
      .def(
          "drift",
          [](SharedNetwork& self, std::size_t slave, double ppm) {
            if (!(std::abs(ppm) <= 1000)) throw std::invalid_argument("ppm must be within 1000");
            self.with([&](Network& n) { n.slave(slave).drift_ppm = ppm; });
          },
          py::arg("slave"), py::arg("ppm"))
      .def(
          "al_status",
          [](SharedNetwork& self, std::size_t slave) {
            return self.with(
                [&](Network& n) { return py::make_tuple(n.slave(slave).al_status(), n.slave(slave).al_code()); });
          },
          py::arg("slave"))
      .def(
          "position_counts",
          [](SharedNetwork& self, std::size_t slave) {
            return self.with([&](Network& n) { return n.drive(slave).position_counts(); });
          },
          py::arg("slave"))
      .def(
          "system_time_ns",
          [](SharedNetwork& self, std::size_t slave) {
            return self.with([&](Network& n) { return n.slave(slave).system_time_ns(n.now_ns()); });
          },
          py::arg("slave"));
}
