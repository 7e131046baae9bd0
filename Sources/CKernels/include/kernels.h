#ifndef SEGMOE_KERNELS_H
#define SEGMOE_KERNELS_H
#include <stddef.h>
#include <stdint.h>
#include "convert.h"
#include "sha256.h"
#endif
