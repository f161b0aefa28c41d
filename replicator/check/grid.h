/* grid.h - rows of cells printed in aligned columns. Thread: one. */
#ifndef REPLICATOR_CHECK_GRID_H
#define REPLICATOR_CHECK_GRID_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct grid;

struct grid *grid_new(struct arena *arena, size_t columns);
void grid_align_right(struct grid *grid, size_t column);
/*
 * Adds the next cell, row by row; the text is copied: control characters shown as \n, \t, \x1b…, cut at `most` places.
 */
void grid_add(struct grid *grid, const char *text, size_t most);
/* The first row is the header, underlined. */
void grid_print(const struct grid *grid, FILE *out);
void grid_print_plain(const struct grid *grid, FILE *out); /* without a header */

#endif
