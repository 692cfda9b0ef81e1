/* Any bytes through reader and decoder: nothing may crash, and whatever is taken must encode to the same bytes. */
#include <string.h>

#include "check.h"
#include "eoat_board.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  podhand_reader reader = {.size = 0};
  for (size_t i = 0; i < size; ++i) {
    if (podhand_read(&reader, data[i]) != PODHAND_BLOCK) continue;
    eoat_frame frame;
    if (eoat_decode(reader.block, reader.size, &frame) != PODHAND_TAKEN) continue;
    uint8_t wire[PODHAND_MAX_WIRE];
    const size_t written = eoat_encode(&frame, wire, sizeof wire);
    CHECK(written == reader.size + 1);
    CHECK(memcmp(wire, reader.block, reader.size) == 0);
  }
  /* Past the CRC, which random bytes seldom are: the same bytes as a payload. */
  if (size >= PODHAND_HEADER && size <= PODHAND_HEADER + PODHAND_MAX_PAYLOAD) {
    uint8_t raw[PODHAND_MAX_RAW];
    uint8_t wire[PODHAND_MAX_WIRE];
    memcpy(raw, data, size);
    const size_t sealed = podhand_seal(raw, size, wire, sizeof wire);
    CHECK(sealed > 0);
    eoat_frame frame;
    if (eoat_decode(wire, sealed - 1, &frame) == PODHAND_TAKEN) {
      uint8_t again[PODHAND_MAX_WIRE];
      CHECK(eoat_encode(&frame, again, sizeof again) == sealed);
      CHECK(memcmp(wire, again, sealed) == 0);
    }
  }
  return 0;
}
