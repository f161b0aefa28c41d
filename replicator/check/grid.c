/* grid.c - see the header. Widths count code points; of a terminal's double-width characters nothing is known here. */
#include "check/grid.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

#include <string.h>

struct grid {
	struct arena *arena;
	size_t columns;
	size_t *widths;
	bool *right;
	const char **cells; /* in blocks of the arena: the array is copied when it grows */
	size_t count;
	size_t capacity;
};

struct grid *grid_new(struct arena *arena, size_t columns)
{
	struct grid *grid = arena_alloc_zeroed(arena, sizeof(*grid));

	grid->arena = arena;
	grid->columns = columns;
	grid->widths = arena_alloc_zeroed(arena, (columns + 1) * sizeof(*grid->widths));
	grid->right = arena_alloc_zeroed(arena, (columns + 1) * sizeof(*grid->right));
	return grid;
}

void grid_align_right(struct grid *grid, size_t column)
{
	grid->right[column] = true;
}

static bool starts_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += starts_character(*text);
	return width;
}

/* Cuts the text to `most` characters, the last of them an ellipsis. */
static void cut(struct buffer *cell, size_t most)
{
	size_t characters = 0;

	for (size_t i = 0; i < cell->length; i++) {
		characters += starts_character(cell->data[i]);
		if (characters < most || !starts_character(cell->data[i]))
			continue;
		if (width_of(cell->data + i) > 1) {
			cell->length = i;
			buffer_append_text(cell, "…");
		}
		return;
	}
}

void grid_add(struct grid *grid, const char *text, size_t most)
{
	struct buffer cell = {0};
	size_t column = grid->count % grid->columns;
	size_t width;

	if (grid->count == grid->capacity) {
		size_t capacity = grid->capacity == 0 ? 64 : grid->capacity * 2;
		const char **cells = arena_alloc(grid->arena, capacity * sizeof(*cells));

		if (grid->count > 0)
			memcpy(cells, grid->cells, grid->count * sizeof(*cells));
		grid->cells = cells;
		grid->capacity = capacity;
	}
	text_append_visible(&cell, text, strlen(text), false);
	cut(&cell, most);
	width = cell.length > 0 ? width_of(cell.data) : 0;
	if (width > grid->widths[column])
		grid->widths[column] = width;
	grid->cells[grid->count++] = arena_copy(grid->arena, cell.length > 0 ? cell.data : "", cell.length);
	buffer_free(&cell);
}

static void print_cell(const struct grid *grid, size_t cell, FILE *out)
{
	size_t column = cell % grid->columns;
	const char *text = grid->cells[cell];
	int padding = (int)(grid->widths[column] - width_of(text));
	bool last = column + 1 == grid->columns;

	if (grid->right[column])
		fprintf(out, "%*s%s", padding, "", text);
	else
		fprintf(out, "%s%*s", text, last ? 0 : padding, "");
	fputs(last ? "\n" : "  ", out);
}

static void print_rule(const struct grid *grid, FILE *out)
{
	for (size_t column = 0; column < grid->columns; column++) {
		for (size_t i = 0; i < grid->widths[column]; i++)
			fputc('-', out);
		fputs(column + 1 == grid->columns ? "\n" : "  ", out);
	}
}

void grid_print(const struct grid *grid, FILE *out)
{
	for (size_t i = 0; i < grid->count; i++) {
		print_cell(grid, i, out);
		if (i + 1 == grid->columns)
			print_rule(grid, out);
	}
}

void grid_print_plain(const struct grid *grid, FILE *out)
{
	for (size_t i = 0; i < grid->count; i++)
		print_cell(grid, i, out);
}
