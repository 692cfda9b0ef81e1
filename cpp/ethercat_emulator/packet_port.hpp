/// The emulated line on a network interface of this machine.
#pragma once

#include <ethercat_emulator/network.hpp>

#include <atomic>
#include <mutex>
#include <string>

namespace podhand::ethercat {

/// Answers every EtherCAT frame that comes to the interface until `stop`. Needs CAP_NET_RAW.
/// @param mutex  held while the network is used
/// @throws std::system_error when the interface is missing, not up, or not ours to use.
void serve(Network& network, std::mutex& mutex, const std::string& interface, const std::atomic<bool>& stop);

}  // namespace podhand::ethercat
