/* Frames on a serial line: COBS between zero bytes, a header, a CRC-16. C99, no heap, no library.
 *
 * Before COBS a frame is `message u8, session u16, sequence u16, payload, crc u16`, little endian. The CRC is
 * CRC-16/IBM-3740 (polynomial 0x1021, start 0xFFFF) over all before it. firmware_iface/framing.py is the twin.
 * No function keeps state outside its arguments; all are safe to call from an interrupt.
 */
#ifndef PODHAND_FRAME_H
#define PODHAND_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PODHAND_HEADER 5u
#define PODHAND_CRC 2u
#define PODHAND_MAX_PAYLOAD 64u
#define PODHAND_MAX_RAW (PODHAND_HEADER + PODHAND_MAX_PAYLOAD + PODHAND_CRC)
#define PODHAND_MAX_ENCODED (PODHAND_MAX_RAW + 1u)  /* between two delimiters */
#define PODHAND_MAX_WIRE (PODHAND_MAX_ENCODED + 1u) /* with the closing delimiter */

/* Why a frame was not taken. */
typedef enum {
  PODHAND_TAKEN = 0,
  PODHAND_TOO_LONG,
  PODHAND_COBS,
  PODHAND_TOO_SHORT,
  PODHAND_WRONG_CRC,
  PODHAND_UNKNOWN,
  PODHAND_LENGTH,
  PODHAND_RANGE,
  PODHAND_DUPLICATE,
  PODHAND_LATE
} podhand_verdict;

uint16_t podhand_crc16(const uint8_t* data, size_t size);

/* Append the CRC to `raw` (which must have room for it), encode, close with a delimiter. Returns the bytes written to
 * `wire`, 0 when the frame or the room is too small or too large. */
size_t podhand_seal(uint8_t* raw, size_t size, uint8_t* wire, size_t capacity);

/* Undo podhand_seal for what stood between two delimiters. `raw` has room for PODHAND_MAX_RAW bytes; `*size` becomes
 * the bytes of header and payload. */
podhand_verdict podhand_open(const uint8_t* block, size_t block_size, uint8_t* raw, size_t* size);

/* Cuts a stream of bytes into blocks. Start with all zero. */
typedef struct {
  uint8_t block[PODHAND_MAX_ENCODED];
  size_t size;
  bool overlong;
  bool closed;
} podhand_reader;

typedef enum { PODHAND_MORE = 0, PODHAND_BLOCK, PODHAND_OVERLONG } podhand_reading;

/* Take one byte. After PODHAND_BLOCK, `block` and `size` hold until the next byte. */
podhand_reading podhand_read(podhand_reader* reader, uint8_t byte);

/* Judge the sequence number of the next frame of one direction; `*newest` is that of the last one taken. `*lost` grows
 * by the frames that never came. */
podhand_verdict podhand_judge(uint16_t sequence, uint16_t* newest, uint16_t* lost);

void podhand_put_u16(uint8_t* at, uint16_t value);
void podhand_put_u32(uint8_t* at, uint32_t value);
void podhand_put_i32(uint8_t* at, int32_t value);
uint16_t podhand_get_u16(const uint8_t* at);
uint32_t podhand_get_u32(const uint8_t* at);
int32_t podhand_get_i32(const uint8_t* at);

#ifdef __cplusplus
}
#endif

#endif
