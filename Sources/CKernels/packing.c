// How many groups of columns a packed weight has.
#include "product.h"

size_t segmoe_group_outputs(const segmoe_packing *packing) {
  return packing->gated ? SEGMOE_GROUP / 2 : SEGMOE_GROUP;
}

size_t segmoe_groups(const segmoe_packing *packing) {
  const size_t width = segmoe_group_outputs(packing);
  return (packing->outputs + width - 1) / width;
}
