/*
 * The two halves of the program that measures for docs/backends.md: matrix.c has the situations.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef MATRIX_H
#define MATRIX_H

/* Cases; the first wants a struct bare. */
void matrix_backend(void **state); /* prints what the backend is, has and makes */
void matrix_costs(void **state);   /* prints what changes and waits cost it */

#endif
