/* The C codec of the end-of-arm board against golden bytes and against what it must refuse. */
#include "check.h"
#include "eoat_board.h"
#include "golden.h"

static void crc_has_its_check_value(void) {
  CHECK(podhand_crc16((const uint8_t*)"123456789", 9) == 0x29B1);
  CHECK(podhand_crc16((const uint8_t*)"", 0) == 0xFFFF);
}

static int golden_frames_survive(void) {
  FILE* file = fopen(EOAT_GOLDEN, "r");
  CHECK(file != NULL);
  char name[32];
  uint8_t wire[PODHAND_MAX_WIRE];
  size_t size = 0;
  int frames = 0;
  while ((size = next_golden(file, name, wire, sizeof wire)) > 0) {
    eoat_frame frame;
    uint8_t again[PODHAND_MAX_WIRE];
    CHECK(eoat_decode(wire, size - 1, &frame) == PODHAND_TAKEN);
    CHECK(eoat_encode(&frame, again, sizeof again) == size);
    CHECK(memcmp(wire, again, size) == 0);
    CHECK(eoat_encode(&frame, again, size - 1) == 0);
    /* No single flipped bit and no cut may pass. */
    for (size_t bit = 0; bit < 8 * (size - 1); ++bit) {
      wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
      CHECK(eoat_decode(wire, size - 1, &frame) != PODHAND_TAKEN);
      wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size - 1; ++cut) CHECK(eoat_decode(wire, cut, &frame) != PODHAND_TAKEN);
    ++frames;
  }
  fclose(file);
  return frames;
}

static eoat_frame a_command(void) {
  eoat_frame frame = {.id = EOAT_ID_COMMAND, .session = 0xBEEF, .sequence = 2};
  frame.body.command.deadline_us = 1250000;
  frame.body.command.valve = EOAT_VALVE_SUCTION;
  frame.body.command.status_light = EOAT_STATUS_LIGHT_GREEN;
  frame.body.command.work_light_percent = 50;
  return frame;
}

/* Spelled out by hand: 02 | ef be | 02 00 | d0 12 13 00 | 01 | 01 | 32 | crc. */
static void fields_lie_where_the_page_says(void) {
  static const uint8_t front[] = {5, 0x02, 0xEF, 0xBE, 0x02, 4, 0xD0, 0x12, 0x13, 6, 0x01, 0x01, 0x32};
  uint8_t wire[PODHAND_MAX_WIRE];
  const eoat_frame frame = a_command();
  const size_t size = eoat_encode(&frame, wire, sizeof wire);
  CHECK(size == 16);
  CHECK(memcmp(wire, front, sizeof front) == 0);
  eoat_frame back;
  CHECK(eoat_decode(wire, size - 1, &back) == PODHAND_TAKEN);
  CHECK(back.session == 0xBEEF && back.sequence == 2 && back.body.command.deadline_us == 1250000);
  CHECK(back.body.command.valve == EOAT_VALVE_SUCTION && back.body.command.work_light_percent == 50);
}

static void negative_pressure_keeps_its_sign(void) {
  eoat_frame frame = {.id = EOAT_ID_STATE, .session = 1, .sequence = 1};
  frame.body.state = (eoat_state){.vacuum_pressure_pa = -105000};
  uint8_t wire[PODHAND_MAX_WIRE];
  const size_t size = eoat_encode(&frame, wire, sizeof wire);
  CHECK(size > 0 && eoat_decode(wire, size - 1, &frame) == PODHAND_TAKEN);
  CHECK(frame.body.state.vacuum_pressure_pa == -105000);
  uint8_t bytes[4];
  podhand_put_i32(bytes, INT32_MIN);
  CHECK(podhand_get_i32(bytes) == INT32_MIN);
}

static void values_out_of_range_are_not_sent(void) {
  uint8_t wire[PODHAND_MAX_WIRE];
  eoat_frame frame = a_command();
  frame.body.command.work_light_percent = 101;
  CHECK(eoat_encode(&frame, wire, sizeof wire) == 0);
  frame = a_command();
  frame.body.command.valve = 2;
  CHECK(eoat_encode(&frame, wire, sizeof wire) == 0);
  frame = a_command();
  frame.id = 0x7F;
  CHECK(eoat_encode(&frame, wire, sizeof wire) == 0);
}

static void values_out_of_range_are_refused(void) {
  uint8_t raw[PODHAND_MAX_RAW] = {EOAT_ID_COMMAND, 1, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0};
  uint8_t wire[PODHAND_MAX_WIRE];
  eoat_frame frame = {.id = 0};
  size_t size = podhand_seal(raw, 12, wire, sizeof wire);
  CHECK(eoat_decode(wire, size - 1, &frame) == PODHAND_RANGE);
  size = podhand_seal(raw, 11, wire, sizeof wire);
  CHECK(eoat_decode(wire, size - 1, &frame) == PODHAND_LENGTH);
  raw[0] = 0x70;
  size = podhand_seal(raw, 12, wire, sizeof wire);
  CHECK(eoat_decode(wire, size - 1, &frame) == PODHAND_UNKNOWN);
  CHECK(frame.id == 0); /* nothing was written */
}

static void reader_finds_its_way_again(void) {
  podhand_reader reader = {.size = 0};
  uint8_t wire[PODHAND_MAX_WIRE];
  const eoat_frame frame = a_command();
  const size_t size = eoat_encode(&frame, wire, sizeof wire);
  for (int i = 0; i < 500; ++i) CHECK(podhand_read(&reader, 0x55) == PODHAND_MORE);
  CHECK(podhand_read(&reader, 0) == PODHAND_OVERLONG);
  CHECK(podhand_read(&reader, 0) == PODHAND_MORE); /* idle line */
  for (size_t i = 0; i + 1 < size; ++i) CHECK(podhand_read(&reader, wire[i]) == PODHAND_MORE);
  CHECK(podhand_read(&reader, 0) == PODHAND_BLOCK);
  CHECK(reader.size == size - 1 && memcmp(reader.block, wire, size - 1) == 0);
}

static void sequence_wraps(void) {
  uint16_t newest = 65534;
  uint16_t lost = 0;
  CHECK(podhand_judge(65534, &newest, &lost) == PODHAND_DUPLICATE);
  CHECK(podhand_judge(1, &newest, &lost) == PODHAND_TAKEN);
  CHECK(newest == 1 && lost == 2);
  CHECK(podhand_judge(65535, &newest, &lost) == PODHAND_LATE);
  CHECK(newest == 1 && lost == 2);
}

int main(void) {
  crc_has_its_check_value();
  const int frames = golden_frames_survive();
  CHECK(frames >= 18);
  fields_lie_where_the_page_says();
  negative_pressure_keeps_its_sign();
  values_out_of_range_are_not_sent();
  values_out_of_range_are_refused();
  reader_finds_its_way_again();
  sequence_wraps();
  printf("eoat codec: %d golden frames\n", frames);
  return 0;
}
