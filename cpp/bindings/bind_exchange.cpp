/// The sides that talk to podhand-rt: its client, and a plant that runs in a Python process.
#include "bindings.hpp"

#include <rt/audit.hpp>
#include <rt/flight_file.hpp>
#include <rt/sides.hpp>

#include <pybind11/stl.h>

#include <cstring>
#include <stdexcept>
#include <vector>

namespace podhand::bindings {
namespace {

using rt::Answer;
using rt::Client;
using rt::Command;
using rt::CommandKind;
using rt::PlantSide;

class NotOwner : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

rt::Acknowledgement send(Client& client, Command& command) {
  rt::Acknowledgement answer;
  {
    py::gil_scoped_release free;
    answer = client.send(command);
  }
  switch (answer.answer) {
    case Answer::kAccepted:
      break;
    case Answer::kRefused:
      throw KernelRefusal(answer.words);
    case Answer::kNotOwner:
      throw NotOwner("this client does not hold the lease");
    case Answer::kOverdue:
      throw rt::ExchangeError("podhand-rt took a command up too late and did not carry it out");
    case Answer::kMalformed:
      throw KernelRefusal("podhand-rt does not know such a command");
  }
  return answer;
}

py::tuple submit(Client& client, int channel, const py::array& segments) {
  const Segment* chain = records_of<Segment>(segments, "SEGMENT");
  const auto count = static_cast<std::size_t>(segments.size());
  if (count > kMaxSegments) {
    throw KernelRefusal("a chain holds at most " + std::to_string(kMaxSegments) + " segments (got " +
                        std::to_string(count) + ")");
  }
  auto command = std::make_unique<Command>();
  command->kind = CommandKind::kSubmit;
  command->channel = channel;
  command->count = count;
  std::copy_n(chain, count, command->chain);
  const rt::Acknowledgement answer = send(client, *command);
  return py::make_tuple(answer.ticks, answer.chain);
}

std::uint64_t simple(Client& client, CommandKind kind, int channel, const PayloadConfig& payload = {}) {
  auto command = std::make_unique<Command>();
  command->kind = kind;
  command->channel = channel;
  command->payload = payload;
  return send(client, *command).ticks;
}

py::object take_outcome(Client& client) {
  Outcome outcome;
  if (!client.take_outcome(outcome)) return py::none();
  return py::array(py::dtype::of<Outcome>(), py::array::ShapeContainer{}, &outcome);
}

py::object take_event(Client& client) {
  rt::Event event;
  if (!client.take_event(event)) return py::none();
  return py::array(py::dtype::of<rt::Event>(), py::array::ShapeContainer{}, &event);
}

py::bytes drain_ticks(Client& client) {
  std::vector<rt::TickRecord> records;
  rt::TickRecord record;
  while (client.take_tick(record)) records.push_back(record);
  return py::bytes(reinterpret_cast<const char*>(records.data()), records.size() * sizeof(rt::TickRecord));
}

bool turn(PlantSide& plant, double timeout_s) {
  PlantSide::Turn done;
  {
    py::gil_scoped_release free;
    done = plant.exchange(timeout_s);
  }
  if (done == PlantSide::Turn::kGone) throw rt::ExchangeError("podhand-rt has ended: the plant stands");
  return done == PlantSide::Turn::kAnswered;
}

py::bytes config_block(const py::array& config) {
  if (config.size() != 1) throw py::type_error("config must hold exactly one record");
  const KernelConfig& record = *records_of<KernelConfig>(config, "KERNEL_CONFIG");
  const rt::ConfigHead head{rt::kMagic, rt::exchange_hash(), rt::kVersion, rt::crc32(&record, sizeof record)};
  std::string block(reinterpret_cast<const char*>(&head), sizeof head);
  block.append(reinterpret_cast<const char*>(&record), sizeof record);
  return py::bytes(block);
}

py::list audit_host(const std::string& root, int priority, int cpu, const std::string& nic) {
  rt::AuditWish wish;
  wish.root = root;
  wish.priority = priority;
  wish.cpu = cpu;
  wish.nic = nic;
  py::list out;
  for (const rt::AuditFinding& finding : rt::audit(wish)) {
    out.append(py::make_tuple(finding.what, finding.wanted, finding.got, static_cast<int>(finding.verdict), finding.why,
                              finding.remedy));
  }
  return out;
}

py::array_t<std::uint64_t> bucket_floors() {
  py::array_t<std::uint64_t> floors(rt::kBuckets);
  for (std::size_t i = 0; i < rt::kBuckets; ++i) floors.mutable_data()[i] = rt::bucket_floor(i);
  return floors;
}

py::tuple copy_of(const rt::Histogram& histogram) {
  py::array_t<std::uint64_t> counts(rt::kBuckets);
  for (std::size_t i = 0; i < rt::kBuckets; ++i) counts.mutable_data()[i] = histogram.count_in(i);
  rt::Worst worst;
  const bool any = histogram.worst(worst);
  py::object record = py::none();
  if (any) record = py::array(py::dtype::of<rt::Worst>(), py::array::ShapeContainer{}, &worst);
  return py::make_tuple(counts, histogram.sum_ns(), record);
}

template <typename Side>
py::dict statistics(const Side& side) {
  const rt::Statistics& all = side.statistics();
  py::dict out;
  out["wake"] = copy_of(all.wake);
  out["wait"] = copy_of(all.wait);
  out["compute"] = copy_of(all.compute);
  out["period"] = copy_of(all.period);
  return out;
}

template <typename Side, typename Record>
auto view(Record Side::* member, bool writable) {
  return [member, writable](py::object self) { return view_of(&(self.cast<Side&>().*member), self, writable); };
}

}  // namespace

void bind_exchange(py::module_& module, const char* build_id) {
  using rt::CellRecord;
  using rt::Event;
  using rt::Health;
  using rt::Running;
  using rt::Worst;
  PYBIND11_NUMPY_DTYPE(Health, cycles, waits, leases_lost, late_ticks, late_woke, late_waited, late_computed, busy_s);
  PYBIND11_NUMPY_DTYPE(Running, chain, segment, tag);
  PYBIND11_NUMPY_DTYPE(Worst, ns, cycle, ticks, wall_s, running);
  PYBIND11_NUMPY_DTYPE(CellRecord, ticks, inputs, outputs, state, health, arming);
  PYBIND11_NUMPY_DTYPE(Event, ticks, wall_s, value, kind, moving);
  module.attr("CELL_DTYPE") = py::dtype::of<CellRecord>();
  module.attr("EVENT_DTYPE") = py::dtype::of<Event>();
  module.attr("LEASE_S") = rt::kLeaseS;
  module.attr("BUCKET_FLOORS_NS") = bucket_floors();
  py::register_exception<rt::ExchangeError>(module, "ExchangeError", PyExc_RuntimeError);
  py::register_exception<NotOwner>(module, "NotOwner", PyExc_RuntimeError);
  module.def("config_block", &config_block, py::arg("config"));
  module.def("exchange_hash", &rt::exchange_hash);
  module.def("audit_host", &audit_host, py::kw_only(), py::arg("root"), py::arg("priority"), py::arg("cpu"),
             py::arg("nic"));

  using rt::FlightRecord;
  py::class_<FlightRecord>(module, "FlightRecord")
      .def(py::init([build_id](const std::string& name) { return std::make_unique<FlightRecord>(name, build_id); }),
           py::arg("name"))
      .def_property_readonly("host_pid", &FlightRecord::host_pid)
      .def_property_readonly("host_gone", &FlightRecord::host_gone)
      .def_property_readonly("tick_s", &FlightRecord::tick_s)
      .def_property_readonly("ticks", &FlightRecord::ticks)
      .def("faults", &FlightRecord::faults)
      .def(
          "save",
          [](const FlightRecord& self, const std::string& path, std::uint64_t from_ticks, const std::string& why) {
            rt::FlightSaved saved;
            {
              py::gil_scoped_release free;
              saved = self.save(path, from_ticks, why);
            }
            return py::make_tuple(saved.from_ticks, saved.to_ticks, saved.commands, saved.outcomes);
          },
          py::arg("path"), py::arg("from_ticks"), py::arg("why"));

  py::class_<Client>(module, "Client")
      .def(py::init([build_id](const std::string& name) { return std::make_unique<Client>(name, build_id); }),
           py::arg("name"))
      .def("take_lease", &Client::take_lease)
      .def("take_over", &Client::take_over)
      .def("release_lease", &Client::release_lease)
      .def("beat", &Client::beat)
      .def_property_readonly("holds_lease", &Client::holds_lease)
      .def_property_readonly("owner_pid", &Client::owner_pid)
      .def_property_readonly("host_pid", &Client::host_pid)
      .def_property_readonly("host_gone", &Client::host_gone)
      .def("submit", &submit, py::arg("channel"), py::arg("segments"))
      .def(
          "cancel", [](Client& self, int channel) { return simple(self, CommandKind::kCancel, channel); },
          py::arg("channel") = -1)
      .def(
          "set_payload",
          [](Client& self, int index, const py::array& payload) {
            if (payload.size() != 1) throw py::type_error("PAYLOAD must hold exactly one record");
            return simple(self, CommandKind::kSetPayload, index, *records_of<PayloadConfig>(payload, "PAYLOAD"));
          },
          py::arg("index"), py::arg("payload"))
      .def("reset_fault", [](Client& self) { return simple(self, CommandKind::kResetFault, 0); })
      .def("arm", [](Client& self) { return simple(self, CommandKind::kArm, 0); })
      .def("disarm", [](Client& self) { return simple(self, CommandKind::kDisarm, 0); })
      .def("acknowledge", [](Client& self) { return simple(self, CommandKind::kAcknowledge, 0); })
      .def("refresh", &Client::refresh)
      .def("wait_beyond", &Client::wait_beyond, py::arg("ticks"), py::arg("timeout_s"),
           py::call_guard<py::gil_scoped_release>())
      .def("take_outcome", &take_outcome)
      .def("take_event", &take_event)
      .def("drain_ticks", &drain_ticks)
      .def_property_readonly("lost_ticks", &Client::lost_ticks)
      .def_property_readonly("lost_outcomes", &Client::lost_outcomes)
      .def_property_readonly("lost_events", &Client::lost_events)
      .def("statistics", &statistics<Client>)
      .def_property_readonly("cell", view(&Client::cell, false));

  using rt::Watcher;
  py::class_<Watcher>(module, "Watcher")
      .def(py::init([build_id](const std::string& name) { return std::make_unique<Watcher>(name, build_id); }),
           py::arg("name"))
      .def("refresh", &Watcher::refresh)
      .def("statistics", &statistics<Watcher>)
      .def_property_readonly("host_pid", [](const Watcher& self) { return self.header().pid; })
      .def_property_readonly("tick_s", [](const Watcher& self) { return self.header().tick_s; })
      .def_property_readonly("owner_pid", &Watcher::owner_pid)
      .def_property_readonly("host_gone", &Watcher::host_gone)
      .def_property_readonly("cell", view(&Watcher::cell, false));

  py::class_<PlantSide>(module, "PlantSide")
      .def(py::init([build_id](const std::string& name) { return std::make_unique<PlantSide>(name, build_id); }),
           py::arg("name"))
      .def("exchange", &turn, py::arg("timeout_s"))
      .def_property_readonly("inputs", view(&PlantSide::inputs, true))
      .def_property_readonly("outputs", view(&PlantSide::outputs, true));
}

}  // namespace podhand::bindings
