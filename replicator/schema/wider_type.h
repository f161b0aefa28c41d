/*
 * wider_type.h - whether one type holds all values of another, so that a column may go over to it without a look at its
 * rows. Thread: any.
 */
#ifndef REPLICATOR_SCHEMA_WIDER_TYPE_H
#define REPLICATOR_SCHEMA_WIDER_TYPE_H

#include <stdbool.h>

/*
 * Both as format_type() writes them: "numeric(12,2)", "character varying(20)[]". True when `wide` holds each value of
 * `type` and more. Types of different families are never wider than each other: integers and numeric, floating point
 * numbers, texts with a length, bit strings, and times with fewer digits are compared.
 */
bool type_is_wider(const char *wide, const char *type);

#endif
