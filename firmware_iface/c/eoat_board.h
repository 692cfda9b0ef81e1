// clang-format off
/* End-of-arm board: its messages.
 * Generated from firmware_iface/eoat_board.py by generate.py; do not edit. */
#ifndef EOAT_BOARD_H
#define EOAT_BOARD_H

#include "podhand_frame.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EOAT_PROTOCOL_VERSION 1u
#define EOAT_SCHEMA_HASH 0xD9EF8109u
#define EOAT_BAUD 230400 /* 1/s: a quarter of the line used, a state frame in 1.7 ms */
#define EOAT_STATE_PERIOD_MS 8 /* ms: 125 Hz: pressure at 100 Hz or more with a slow clock */
#define EOAT_HEARTBEAT_PERIOD_MS 50 /* ms: five may be lost before the board lets go */
#define EOAT_HOST_SILENCE_MS 250 /* ms: the lease of a client of the kernel: a busy interpreter survives, a dead one does not */
#define EOAT_BOARD_SILENCE_MS 100 /* ms: 12 states in a row; a board has no reason to pause */
#define EOAT_MAX_COMMAND_LIFE_MS 500 /* ms: a command may outlive a silent host by this much at most */
#define EOAT_ITEM_HELD_PA (-20000) /* Pa: an open cup draws about -6 kPa, a leaking bag more than 30 kPa below */
#define EOAT_ITEM_LOST_MS 100 /* ms: longer than noise and the shake of a stop */

/* Suction valve. */
enum {
  EOAT_VALVE_OFF = 0, /* vented */
  EOAT_VALVE_SUCTION = 1, /* ejector on */
};

/* Lamp at the tool that a person sees. */
enum {
  EOAT_STATUS_LIGHT_OFF = 0, /* dark */
  EOAT_STATUS_LIGHT_GREEN = 1, /* ready, nothing moves */
  EOAT_STATUS_LIGHT_YELLOW = 2, /* session open, no command in force; or the host's warning */
  EOAT_STATUS_LIGHT_RED = 3, /* the host's fault */
  EOAT_STATUS_LIGHT_YELLOW_BLINKING = 4, /* board waits for a host */
  EOAT_STATUS_LIGHT_RED_BLINKING = 5, /* board is in its safe state */
};

/* What the board does with commands. */
enum {
  EOAT_MODE_WAITING = 0, /* no session; resting outputs */
  EOAT_MODE_READY = 1, /* session open, no command in force; resting outputs */
  EOAT_MODE_ACTIVE = 2, /* a command is in force until its deadline */
  EOAT_MODE_SAFE = 3, /* safe state, latched until acknowledged; resting outputs */
};

/* Why the board is in its safe state. */
enum {
  EOAT_SAFE_CAUSE_NONE = 0, /* it is not */
  EOAT_SAFE_CAUSE_HOST_SILENT = 1, /* no valid frame from the host for HOST_SILENCE_MS in ACTIVE */
  EOAT_SAFE_CAUSE_COMMAND_EXPIRED = 2, /* the deadline passed and no newer command came */
  EOAT_SAFE_CAUSE_HOST_REQUEST = 3, /* the host asked for it */
  EOAT_SAFE_CAUSE_NEW_SESSION = 4, /* another session was opened while a command was in force */
  EOAT_SAFE_CAUSE_BOARD_FAULT = 5, /* a fault of the board's own hardware, see faults */
};

/* Worth of the pressure reading. */
enum {
  EOAT_PRESSURE_STATUS_OK = 0, /* measured */
  EOAT_PRESSURE_STATUS_SATURATED = 1, /* at the end of the sensor's range */
  EOAT_PRESSURE_STATUS_BROKEN = 2, /* sensor missing, short or open circuit */
};

/* Limit switches; a set bit means tripped. Normally closed: a broken wire reads as tripped. */
enum {
  EOAT_SWITCHES_CUP_EXTENDED = 1, /* spring plunger of the cup at its outer end */
  EOAT_SWITCHES_CUP_COMPRESSED = 2, /* spring plunger of the cup at its inner end */
  EOAT_SWITCHES_TOOL_UNSEATED = 4, /* tool is not seated in its changer */
};

/* Faults that the board finds in its own hardware. */
enum {
  EOAT_FAULTS_VALVE_OPEN_CIRCUIT = 1, /* no current through the coil (value in mA) */
  EOAT_FAULTS_VALVE_OVERCURRENT = 2, /* too much current through the coil (value in mA) */
  EOAT_FAULTS_PRESSURE_SENSOR = 4, /* pressure sensor broken (value in raw counts) */
  EOAT_FAULTS_SUPPLY_LOW = 8, /* 24 V supply below its limit (value in mV) */
  EOAT_FAULTS_OVER_TEMPERATURE = 16, /* board too hot (value in 0.1 °C) */
};

/* Why the host takes its command back. */
enum {
  EOAT_STAND_DOWN_REASON_FINISHED = 0, /* orderly end: READY, nothing is latched */
  EOAT_STAND_DOWN_REASON_HOST_FAULT = 1, /* safe state */
  EOAT_STAND_DOWN_REASON_OPERATOR = 2, /* a person asked for a stop: safe state */
};

/* The board's answer to a handshake. */
enum {
  EOAT_HELLO_VERDICT_ACCEPTED = 0, /* session is open */
  EOAT_HELLO_VERDICT_OTHER_VERSION = 1, /* protocol versions differ; no session */
  EOAT_HELLO_VERDICT_OTHER_SCHEMA = 2, /* schema hashes differ; no session */
};

/* Why the board started last. */
enum {
  EOAT_RESET_CAUSE_POWER_ON = 0, /* supply switched on */
  EOAT_RESET_CAUSE_BROWN_OUT = 1, /* supply fell too low */
  EOAT_RESET_CAUSE_WATCHDOG = 2, /* the firmware hung */
  EOAT_RESET_CAUSE_SOFTWARE = 3, /* the firmware restarted itself */
};

/* Opens a session. Header session 0. Its layout never changes: any two versions can refuse each other. */
enum { EOAT_ID_HOST_HELLO = 0x01 };
typedef struct {
  uint8_t protocol_version; /* Must be equal on both ends. */
  uint32_t schema_hash; /* Must be equal on both ends. */
  uint16_t session; /* The host's choice. 1 … 65535 */
} eoat_host_hello;

/* Outputs, with the moment until which they hold. Repeated every 20 ms while it is in force. */
enum { EOAT_ID_COMMAND = 0x02 };
typedef struct {
  uint32_t deadline_us; /* [µs] Board time after which the safe state follows. Refused when it has passed or lies more than MAX_COMMAND_LIFE_MS ahead. */
  uint8_t valve; /* Suction valve. */
  uint8_t status_light; /* Status light. */
  uint8_t work_light_percent; /* [%] Light for the camera. 0 … 100 */
} eoat_command;

/* Shows that the host lives; with the board's answer it bounds the difference of both clocks. */
enum { EOAT_ID_HOST_HEARTBEAT = 0x03 };
typedef struct {
  uint32_t host_time_us; /* [µs] Host clock at sending; comes back. */
} eoat_host_heartbeat;

/* Takes the command back: READY, or the safe state. */
enum { EOAT_ID_STAND_DOWN = 0x04 };
typedef struct {
  uint8_t reason; /* Why. */
} eoat_stand_down;

/* A person has seen the cause. Leaves the safe state for READY unless a fault still stands. */
enum { EOAT_ID_ACKNOWLEDGE = 0x05 };
typedef struct {
  uint16_t safe_count; /* Which safe state is meant: the state's safe_count. */
} eoat_acknowledge;

/* Answers HostHello. Its first three fields never move. */
enum { EOAT_ID_BOARD_HELLO = 0x81 };
typedef struct {
  uint8_t protocol_version; /* Must be equal on both ends. */
  uint32_t schema_hash; /* Must be equal on both ends. */
  uint16_t session; /* From the question, whatever the verdict. */
  uint8_t verdict; /* Accepted or not. */
  uint32_t board_time_us; /* [µs] Board clock now. */
  uint32_t serial_number; /* Of the board. */
  uint8_t firmware_major; /* Firmware version. */
  uint8_t firmware_minor; /* Firmware version. */
  uint16_t boot_count; /* Starts of the board; wraps. */
  uint8_t reset_cause; /* Of the last start. */
} eoat_board_hello;

/* Shows that the board lives. With header session 0 it says that the board has no session. */
enum { EOAT_ID_BOARD_HEARTBEAT = 0x82 };
typedef struct {
  uint32_t board_time_us; /* [µs] Board clock at sending. */
  uint32_t host_time_us; /* [µs] From the newest HostHeartbeat; 0 before one came. */
  uint32_t host_received_us; /* [µs] Board clock when that one arrived. */
} eoat_board_heartbeat;

/* What the board measures and does. */
enum { EOAT_ID_STATE = 0x83 };
typedef struct {
  uint32_t board_time_us; /* [µs] Board clock at sampling. */
  int32_t vacuum_pressure_pa; /* [Pa] Gauge pressure in the cup, negative is suction. Unfiltered: a live sensor shows noise. -105000 … 20000 */
  uint16_t pressure_samples; /* Conversions of the pressure sensor; wraps. */
  uint8_t pressure_status; /* Worth of the pressure. */
  uint8_t switches; /* Limit switches. */
  uint8_t valve; /* Read back at the driver. */
  uint8_t status_light; /* As shown. */
  uint8_t work_light_percent; /* [%] As shown. 0 … 100 */
  uint8_t mode; /* What the board does with commands. */
  uint8_t safe_cause; /* Cause of the present safe state. */
  uint16_t safe_count; /* Safe states entered since the start; wraps. */
  uint8_t faults; /* Faults that stand now. */
  uint16_t command_sequence; /* Header sequence of the newest command taken; 0 before one. */
  uint16_t received; /* Frames taken; wraps. */
  uint16_t rejected_frames; /* Frames refused for framing, CRC, length or range; wraps. */
  uint16_t rejected_order; /* Frames refused for session, sequence or direction; wraps. */
  uint16_t rejected_commands; /* Commands and acknowledgements refused for deadline, mode or standing fault; wraps. */
} eoat_state;

/* One fault with its value, when it is found and with every heartbeat while it stands. */
enum { EOAT_ID_FAULT_REPORT = 0x84 };
typedef struct {
  uint32_t board_time_us; /* [µs] Board clock when found. */
  uint8_t fault; /* The one that this report is about. */
  int32_t value_raw; /* What was measured, in the unit that the flag names. */
} eoat_fault_report;

typedef struct {
  uint8_t id; /* which of the messages below */
  uint16_t session; /* 0 outside a session */
  uint16_t sequence;
  union {
    eoat_host_hello host_hello;
    eoat_command command;
    eoat_host_heartbeat host_heartbeat;
    eoat_stand_down stand_down;
    eoat_acknowledge acknowledge;
    eoat_board_hello board_hello;
    eoat_board_heartbeat board_heartbeat;
    eoat_state state;
    eoat_fault_report fault_report;
  } body;
} eoat_frame;

/* Returns the bytes written to `wire`, with the closing delimiter; 0 when the message is unknown, a field
 * is out of range, or `capacity` is too small (PODHAND_MAX_WIRE always suffices). */
size_t eoat_encode(const eoat_frame* frame, uint8_t* wire, size_t capacity);

/* Reads what stood between two delimiters. `*frame` is written only when PODHAND_TAKEN is returned. */
podhand_verdict eoat_decode(const uint8_t* block, size_t size, eoat_frame* frame);

#ifdef __cplusplus
}
#endif

#endif
