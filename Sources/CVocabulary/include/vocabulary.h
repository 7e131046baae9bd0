#ifndef SEGMOE_VOCABULARY_H
#define SEGMOE_VOCABULARY_H

#include <stddef.h>

/// The merges of CLIP's vocabulary (clip_merges.txt, see NOTICE) as part of the program: a line of
/// version, then two tokens a line in order of rank, UTF-8. `*count` gets the number of bytes.
const unsigned char *segmoe_clip_merges(size_t *count);

#endif
