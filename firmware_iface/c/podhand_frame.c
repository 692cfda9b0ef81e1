#include "podhand_frame.h"

/* CRC of one nibble. 32 bytes of table: quick enough for a slow processor, small enough for a tiny one. */
static const uint16_t kNibble[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
                                     0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};

static uint16_t with_nibble(uint16_t crc, unsigned nibble) {
  return (uint16_t)((unsigned)crc << 4 ^ kNibble[(unsigned)crc >> 12 ^ nibble]);
}

uint16_t podhand_crc16(const uint8_t* data, size_t size) {
  uint16_t crc = 0xFFFFu;
  for (size_t i = 0; i < size; ++i) {
    crc = with_nibble(crc, data[i] >> 4);
    crc = with_nibble(crc, data[i] & 0x0Fu);
  }
  return crc;
}

size_t podhand_seal(uint8_t* raw, size_t size, uint8_t* wire, size_t capacity) {
  if (size < PODHAND_HEADER || size + PODHAND_CRC > PODHAND_MAX_RAW || capacity < size + PODHAND_CRC + 2u) return 0;
  podhand_put_u16(raw + size, podhand_crc16(raw, size));
  size += PODHAND_CRC;
  /* Every zero is replaced by the distance to the next one; at most 253 bytes, so one code byte is added in all. */
  size_t code_at = 0;
  size_t next = 1;
  for (size_t i = 0; i < size; ++i) {
    if (raw[i] == 0) {
      wire[code_at] = (uint8_t)(next - code_at);
      code_at = next++;
    } else {
      wire[next++] = raw[i];
    }
  }
  wire[code_at] = (uint8_t)(next - code_at);
  wire[next++] = 0;
  return next;
}

podhand_verdict podhand_open(const uint8_t* block, size_t block_size, uint8_t* raw, size_t* size) {
  if (block_size > PODHAND_MAX_ENCODED) return PODHAND_TOO_LONG;
  size_t out = 0;
  size_t in = 0;
  while (in < block_size) {
    const size_t code = block[in++];
    if (code == 0 || code - 1u > block_size - in) return PODHAND_COBS;
    for (size_t i = 1; i < code; ++i) {
      if (block[in] == 0) return PODHAND_COBS;
      raw[out++] = block[in++];
    }
    if (in < block_size) raw[out++] = 0;
  }
  if (out < PODHAND_HEADER + PODHAND_CRC) return PODHAND_TOO_SHORT;
  *size = out - PODHAND_CRC;
  if (podhand_get_u16(raw + *size) != podhand_crc16(raw, *size)) return PODHAND_WRONG_CRC;
  return PODHAND_TAKEN;
}

podhand_reading podhand_read(podhand_reader* reader, uint8_t byte) {
  if (reader->closed) {
    reader->size = 0;
    reader->overlong = false;
    reader->closed = false;
  }
  if (byte != 0) {
    if (reader->size < PODHAND_MAX_ENCODED) {
      reader->block[reader->size++] = byte;
    } else {
      reader->overlong = true;
    }
    return PODHAND_MORE;
  }
  reader->closed = true;
  if (reader->overlong) return PODHAND_OVERLONG;
  return reader->size > 0 ? PODHAND_BLOCK : PODHAND_MORE;
}

podhand_verdict podhand_judge(uint16_t sequence, uint16_t* newest, uint16_t* lost) {
  const uint16_t ahead = (uint16_t)(sequence - *newest);
  if (ahead == 0) return PODHAND_DUPLICATE;
  if (ahead >= 0x8000u) return PODHAND_LATE;
  *lost = (uint16_t)(*lost + ahead - 1u);
  *newest = sequence;
  return PODHAND_TAKEN;
}

void podhand_put_u16(uint8_t* at, uint16_t value) {
  at[0] = (uint8_t)(value & 0xFFu);
  at[1] = (uint8_t)(value >> 8);
}

void podhand_put_u32(uint8_t* at, uint32_t value) {
  podhand_put_u16(at, (uint16_t)(value & 0xFFFFu));
  podhand_put_u16(at + 2, (uint16_t)(value >> 16));
}

void podhand_put_i32(uint8_t* at, int32_t value) { podhand_put_u32(at, (uint32_t)value); }

uint16_t podhand_get_u16(const uint8_t* at) { return (uint16_t)(at[0] | (unsigned)at[1] << 8); }

uint32_t podhand_get_u32(const uint8_t* at) { return podhand_get_u16(at) | (uint32_t)podhand_get_u16(at + 2) << 16; }

int32_t podhand_get_i32(const uint8_t* at) {
  const uint32_t bits = podhand_get_u32(at);
  /* The plain cast is left to the compiler by C99 when bit 31 is set. */
  return bits <= INT32_MAX ? (int32_t)bits : -(int32_t)~bits - 1;
}
