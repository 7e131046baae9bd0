#ifndef SEGMOE_KERNELS_H
#define SEGMOE_KERNELS_H

#include "activation.h"
#include "convert.h"
#include "isa.h"
#include "memory.h"
#include "normalization.h"
#include "sha256.h"
#include "softmax.h"

#endif
