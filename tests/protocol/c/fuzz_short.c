/* A short fuzz run without libFuzzer, the same every time: noise, golden frames with damage, and payloads. */
#include "check.h"
#include "eoat_board.h"
#include "golden.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

enum { ROUNDS = 200000, MAX_GOLDEN = 64, MAX_INPUT = 512 };

static uint32_t state = 2463534242u;

static uint32_t any(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

int main(void) {
  static uint8_t golden[MAX_GOLDEN][PODHAND_MAX_WIRE];
  static size_t sizes[MAX_GOLDEN];
  FILE* file = fopen(EOAT_GOLDEN, "r");
  CHECK(file != NULL);
  char name[32];
  uint32_t frames = 0;
  while (frames < MAX_GOLDEN && (sizes[frames] = next_golden(file, name, golden[frames], PODHAND_MAX_WIRE)) > 0)
    ++frames;
  fclose(file);
  CHECK(frames > 0);
  for (int round = 0; round < ROUNDS; ++round) {
    uint8_t input[MAX_INPUT];
    size_t size = 0;
    const uint32_t pieces = 1 + any(4);
    for (uint32_t piece = 0; piece < pieces; ++piece) {
      if (any(3) == 0) {
        for (uint32_t n = any(90); n > 0; --n) input[size++] = (uint8_t)any(256);
        continue;
      }
      const uint32_t which = any(frames);
      memcpy(input + size, golden[which], sizes[which]);
      if (any(2) == 0) input[size + any((uint32_t)sizes[which])] ^= (uint8_t)(1u << any(8));
      size += sizes[which] - any(2);
    }
    LLVMFuzzerTestOneInput(input, size);
  }
  printf("eoat codec: %d rounds of short fuzzing\n", ROUNDS);
  return 0;
}
