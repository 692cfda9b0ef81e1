/* Reads the bytes of golden frames, one frame after the other. */
#ifndef PODHAND_TESTS_GOLDEN_H
#define PODHAND_TESTS_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Read the next frame; returns its bytes with the delimiter, 0 at the end of the file. `name` takes 32 characters. */
static size_t next_golden(FILE* file, char* name, uint8_t* wire, size_t capacity) {
  char line[1024];
  while (fgets(line, sizeof line, file) != NULL) {
    const char* bytes = strchr(line, '|');
    if (line[0] == '#' || bytes == NULL || sscanf(line, "%31s", name) != 1) continue;
    size_t size = 0;
    unsigned value = 0;
    int used = 0;
    for (++bytes; size < capacity && sscanf(bytes, " %2x%n", &value, &used) == 1; bytes += used) {
      wire[size++] = (uint8_t)value;
    }
    return size;
  }
  return 0;
}

#endif
