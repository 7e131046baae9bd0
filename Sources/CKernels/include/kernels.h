#ifndef SEGMOE_KERNELS_H
#define SEGMOE_KERNELS_H

#include "activation.h"
#include "isa.h"
#include "memory.h"
#include "normalization.h"
#include "softmax.h"

#endif
