#ifndef SEGMOE_KERNELS_H
#define SEGMOE_KERNELS_H

#include "activation.h"
#include "attention.h"
#include "convert.h"
#include "convolution.h"
#include "dequantize.h"
#include "isa.h"
#include "memory.h"
#include "normalization.h"
#include "processors.h"
#include "product.h"
#include "product_isa.h"
#include "scratch.h"

#endif
