#pragma once
// The files of web/, compiled into the program. CWeb.c lists them; a test checks that none is missing.

#include <stddef.h>

/// A file of web/ by its path below it, such as `assets/nestbox.css`. Bytes are not zero-terminated.
struct nestbox_web_file {
    const char *_Nonnull path;
    const unsigned char *_Nonnull bytes;
    ptrdiff_t length;
};

/// How many files there are.
ptrdiff_t nestbox_web_file_count(void);

/// The file at `index`, in the order of paths; NULL outside of 0 ..< count.
const struct nestbox_web_file *_Nullable nestbox_web_file_at(ptrdiff_t index);

/// The file of that path; NULL when there is none.
const struct nestbox_web_file *_Nullable nestbox_web_file_named(const char *_Nonnull path);
