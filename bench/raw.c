/*
 * Which raw loops there are: one for each backend for which the build has found a file raw_NAME.c.
 * A backend without one is measured all the same, and its tax is not known.
 *
 * SPDX-License-Identifier: MIT
 */
#include "raw.h"
#include "built.h"
#include "meter.h"

#include <stddef.h>
#include <string.h>

RAW_DECLARATIONS

const struct raw *raw_find(const char *name)
{
    static const struct raw *const raws[] = {RAW_ROWS NULL};
    for (const struct raw *const *raw = raws; *raw; raw++) {
        if (strcmp((*raw)->name, name) == 0)
            return *raw;
    }
    return NULL;
}

const struct raw *raw_choose(const char *backend, const char *against)
{
    if (!against)
        return raw_find(backend);
    const struct raw *raw = raw_find(against);
    if (!raw)
        die("there is no raw loop on %s", against);
    return raw;
}
