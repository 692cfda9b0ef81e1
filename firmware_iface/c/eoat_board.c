// clang-format off
/* End-of-arm board: its messages.
 * Generated from firmware_iface/eoat_board.py by generate.py; do not edit. */
#include "eoat_board.h"

static bool host_hello_in_range(const eoat_host_hello* m) {
  return m->session >= 1u;
}

static void put_host_hello(const eoat_host_hello* m, uint8_t* at) {
  at[0] = m->protocol_version;
  podhand_put_u32(at + 1, m->schema_hash);
  podhand_put_u16(at + 5, m->session);
}

static void get_host_hello(const uint8_t* at, eoat_host_hello* m) {
  m->protocol_version = at[0];
  m->schema_hash = podhand_get_u32(at + 1);
  m->session = podhand_get_u16(at + 5);
}

static bool command_in_range(const eoat_command* m) {
  return m->valve <= 1u && m->status_light <= 5u && m->work_light_percent <= 100u;
}

static void put_command(const eoat_command* m, uint8_t* at) {
  podhand_put_u32(at + 0, m->deadline_us);
  at[4] = m->valve;
  at[5] = m->status_light;
  at[6] = m->work_light_percent;
}

static void get_command(const uint8_t* at, eoat_command* m) {
  m->deadline_us = podhand_get_u32(at + 0);
  m->valve = at[4];
  m->status_light = at[5];
  m->work_light_percent = at[6];
}

static bool host_heartbeat_in_range(const eoat_host_heartbeat* m) {
  (void)m;
  return true;
}

static void put_host_heartbeat(const eoat_host_heartbeat* m, uint8_t* at) {
  podhand_put_u32(at + 0, m->host_time_us);
}

static void get_host_heartbeat(const uint8_t* at, eoat_host_heartbeat* m) {
  m->host_time_us = podhand_get_u32(at + 0);
}

static bool stand_down_in_range(const eoat_stand_down* m) {
  return m->reason <= 2u;
}

static void put_stand_down(const eoat_stand_down* m, uint8_t* at) {
  at[0] = m->reason;
}

static void get_stand_down(const uint8_t* at, eoat_stand_down* m) {
  m->reason = at[0];
}

static bool acknowledge_in_range(const eoat_acknowledge* m) {
  (void)m;
  return true;
}

static void put_acknowledge(const eoat_acknowledge* m, uint8_t* at) {
  podhand_put_u16(at + 0, m->safe_count);
}

static void get_acknowledge(const uint8_t* at, eoat_acknowledge* m) {
  m->safe_count = podhand_get_u16(at + 0);
}

static bool board_hello_in_range(const eoat_board_hello* m) {
  return m->verdict <= 2u && m->reset_cause <= 3u;
}

static void put_board_hello(const eoat_board_hello* m, uint8_t* at) {
  at[0] = m->protocol_version;
  podhand_put_u32(at + 1, m->schema_hash);
  podhand_put_u16(at + 5, m->session);
  at[7] = m->verdict;
  podhand_put_u32(at + 8, m->board_time_us);
  podhand_put_u32(at + 12, m->serial_number);
  at[16] = m->firmware_major;
  at[17] = m->firmware_minor;
  podhand_put_u16(at + 18, m->boot_count);
  at[20] = m->reset_cause;
}

static void get_board_hello(const uint8_t* at, eoat_board_hello* m) {
  m->protocol_version = at[0];
  m->schema_hash = podhand_get_u32(at + 1);
  m->session = podhand_get_u16(at + 5);
  m->verdict = at[7];
  m->board_time_us = podhand_get_u32(at + 8);
  m->serial_number = podhand_get_u32(at + 12);
  m->firmware_major = at[16];
  m->firmware_minor = at[17];
  m->boot_count = podhand_get_u16(at + 18);
  m->reset_cause = at[20];
}

static bool board_heartbeat_in_range(const eoat_board_heartbeat* m) {
  (void)m;
  return true;
}

static void put_board_heartbeat(const eoat_board_heartbeat* m, uint8_t* at) {
  podhand_put_u32(at + 0, m->board_time_us);
  podhand_put_u32(at + 4, m->host_time_us);
  podhand_put_u32(at + 8, m->host_received_us);
}

static void get_board_heartbeat(const uint8_t* at, eoat_board_heartbeat* m) {
  m->board_time_us = podhand_get_u32(at + 0);
  m->host_time_us = podhand_get_u32(at + 4);
  m->host_received_us = podhand_get_u32(at + 8);
}

static bool state_in_range(const eoat_state* m) {
  return m->vacuum_pressure_pa >= -105000 && m->vacuum_pressure_pa <= 20000 && m->pressure_status <= 2u && (m->switches & 0xF8u) == 0 && m->valve <= 1u && m->status_light <= 5u && m->work_light_percent <= 100u && m->mode <= 3u && m->safe_cause <= 5u && (m->faults & 0xE0u) == 0;
}

static void put_state(const eoat_state* m, uint8_t* at) {
  podhand_put_u32(at + 0, m->board_time_us);
  podhand_put_i32(at + 4, m->vacuum_pressure_pa);
  podhand_put_u16(at + 8, m->pressure_samples);
  at[10] = m->pressure_status;
  at[11] = m->switches;
  at[12] = m->valve;
  at[13] = m->status_light;
  at[14] = m->work_light_percent;
  at[15] = m->mode;
  at[16] = m->safe_cause;
  podhand_put_u16(at + 17, m->safe_count);
  at[19] = m->faults;
  podhand_put_u16(at + 20, m->command_sequence);
  podhand_put_u16(at + 22, m->received);
  podhand_put_u16(at + 24, m->rejected_frames);
  podhand_put_u16(at + 26, m->rejected_order);
  podhand_put_u16(at + 28, m->rejected_commands);
}

static void get_state(const uint8_t* at, eoat_state* m) {
  m->board_time_us = podhand_get_u32(at + 0);
  m->vacuum_pressure_pa = podhand_get_i32(at + 4);
  m->pressure_samples = podhand_get_u16(at + 8);
  m->pressure_status = at[10];
  m->switches = at[11];
  m->valve = at[12];
  m->status_light = at[13];
  m->work_light_percent = at[14];
  m->mode = at[15];
  m->safe_cause = at[16];
  m->safe_count = podhand_get_u16(at + 17);
  m->faults = at[19];
  m->command_sequence = podhand_get_u16(at + 20);
  m->received = podhand_get_u16(at + 22);
  m->rejected_frames = podhand_get_u16(at + 24);
  m->rejected_order = podhand_get_u16(at + 26);
  m->rejected_commands = podhand_get_u16(at + 28);
}

static bool fault_report_in_range(const eoat_fault_report* m) {
  return (m->fault & 0xE0u) == 0;
}

static void put_fault_report(const eoat_fault_report* m, uint8_t* at) {
  podhand_put_u32(at + 0, m->board_time_us);
  at[4] = m->fault;
  podhand_put_i32(at + 5, m->value_raw);
}

static void get_fault_report(const uint8_t* at, eoat_fault_report* m) {
  m->board_time_us = podhand_get_u32(at + 0);
  m->fault = at[4];
  m->value_raw = podhand_get_i32(at + 5);
}

size_t eoat_encode(const eoat_frame* frame, uint8_t* wire, size_t capacity) {
  uint8_t raw[PODHAND_MAX_RAW];
  size_t size = PODHAND_HEADER;
  raw[0] = frame->id;
  podhand_put_u16(raw + 1, frame->session);
  podhand_put_u16(raw + 3, frame->sequence);
  switch (frame->id) {
    case EOAT_ID_HOST_HELLO:
      if (!host_hello_in_range(&frame->body.host_hello)) return 0;
      put_host_hello(&frame->body.host_hello, raw + PODHAND_HEADER);
      size += 7u;
      break;
    case EOAT_ID_COMMAND:
      if (!command_in_range(&frame->body.command)) return 0;
      put_command(&frame->body.command, raw + PODHAND_HEADER);
      size += 7u;
      break;
    case EOAT_ID_HOST_HEARTBEAT:
      if (!host_heartbeat_in_range(&frame->body.host_heartbeat)) return 0;
      put_host_heartbeat(&frame->body.host_heartbeat, raw + PODHAND_HEADER);
      size += 4u;
      break;
    case EOAT_ID_STAND_DOWN:
      if (!stand_down_in_range(&frame->body.stand_down)) return 0;
      put_stand_down(&frame->body.stand_down, raw + PODHAND_HEADER);
      size += 1u;
      break;
    case EOAT_ID_ACKNOWLEDGE:
      if (!acknowledge_in_range(&frame->body.acknowledge)) return 0;
      put_acknowledge(&frame->body.acknowledge, raw + PODHAND_HEADER);
      size += 2u;
      break;
    case EOAT_ID_BOARD_HELLO:
      if (!board_hello_in_range(&frame->body.board_hello)) return 0;
      put_board_hello(&frame->body.board_hello, raw + PODHAND_HEADER);
      size += 21u;
      break;
    case EOAT_ID_BOARD_HEARTBEAT:
      if (!board_heartbeat_in_range(&frame->body.board_heartbeat)) return 0;
      put_board_heartbeat(&frame->body.board_heartbeat, raw + PODHAND_HEADER);
      size += 12u;
      break;
    case EOAT_ID_STATE:
      if (!state_in_range(&frame->body.state)) return 0;
      put_state(&frame->body.state, raw + PODHAND_HEADER);
      size += 30u;
      break;
    case EOAT_ID_FAULT_REPORT:
      if (!fault_report_in_range(&frame->body.fault_report)) return 0;
      put_fault_report(&frame->body.fault_report, raw + PODHAND_HEADER);
      size += 9u;
      break;
    default:
      return 0;
  }
  return podhand_seal(raw, size, wire, capacity);
}

podhand_verdict eoat_decode(const uint8_t* block, size_t size, eoat_frame* frame) {
  uint8_t raw[PODHAND_MAX_RAW];
  size_t raw_size = 0;
  eoat_frame found;
  const podhand_verdict opened = podhand_open(block, size, raw, &raw_size);
  if (opened != PODHAND_TAKEN) return opened;
  found.id = raw[0];
  found.session = podhand_get_u16(raw + 1);
  found.sequence = podhand_get_u16(raw + 3);
  switch (found.id) {
    case EOAT_ID_HOST_HELLO:
      if (raw_size != PODHAND_HEADER + 7u) return PODHAND_LENGTH;
      get_host_hello(raw + PODHAND_HEADER, &found.body.host_hello);
      if (!host_hello_in_range(&found.body.host_hello)) return PODHAND_RANGE;
      break;
    case EOAT_ID_COMMAND:
      if (raw_size != PODHAND_HEADER + 7u) return PODHAND_LENGTH;
      get_command(raw + PODHAND_HEADER, &found.body.command);
      if (!command_in_range(&found.body.command)) return PODHAND_RANGE;
      break;
    case EOAT_ID_HOST_HEARTBEAT:
      if (raw_size != PODHAND_HEADER + 4u) return PODHAND_LENGTH;
      get_host_heartbeat(raw + PODHAND_HEADER, &found.body.host_heartbeat);
      if (!host_heartbeat_in_range(&found.body.host_heartbeat)) return PODHAND_RANGE;
      break;
    case EOAT_ID_STAND_DOWN:
      if (raw_size != PODHAND_HEADER + 1u) return PODHAND_LENGTH;
      get_stand_down(raw + PODHAND_HEADER, &found.body.stand_down);
      if (!stand_down_in_range(&found.body.stand_down)) return PODHAND_RANGE;
      break;
    case EOAT_ID_ACKNOWLEDGE:
      if (raw_size != PODHAND_HEADER + 2u) return PODHAND_LENGTH;
      get_acknowledge(raw + PODHAND_HEADER, &found.body.acknowledge);
      if (!acknowledge_in_range(&found.body.acknowledge)) return PODHAND_RANGE;
      break;
    case EOAT_ID_BOARD_HELLO:
      if (raw_size != PODHAND_HEADER + 21u) return PODHAND_LENGTH;
      get_board_hello(raw + PODHAND_HEADER, &found.body.board_hello);
      if (!board_hello_in_range(&found.body.board_hello)) return PODHAND_RANGE;
      break;
    case EOAT_ID_BOARD_HEARTBEAT:
      if (raw_size != PODHAND_HEADER + 12u) return PODHAND_LENGTH;
      get_board_heartbeat(raw + PODHAND_HEADER, &found.body.board_heartbeat);
      if (!board_heartbeat_in_range(&found.body.board_heartbeat)) return PODHAND_RANGE;
      break;
    case EOAT_ID_STATE:
      if (raw_size != PODHAND_HEADER + 30u) return PODHAND_LENGTH;
      get_state(raw + PODHAND_HEADER, &found.body.state);
      if (!state_in_range(&found.body.state)) return PODHAND_RANGE;
      break;
    case EOAT_ID_FAULT_REPORT:
      if (raw_size != PODHAND_HEADER + 9u) return PODHAND_LENGTH;
      get_fault_report(raw + PODHAND_HEADER, &found.body.fault_report);
      if (!fault_report_in_range(&found.body.fault_report)) return PODHAND_RANGE;
      break;
    default:
      return PODHAND_UNKNOWN;
  }
  *frame = found;
  return PODHAND_TAKEN;
}
