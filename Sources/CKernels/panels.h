// Where the columns of a packed weight are: in panels, and groups of panels.
#ifndef SEGMOE_PANELS_H
#define SEGMOE_PANELS_H

#include "product.h"

enum { group_panels = SEGMOE_GROUP / SEGMOE_PANEL };

/// Panels of a group that hold columns.
static inline size_t panels_of_group(const segmoe_packing *packing, size_t group) {
  if (packing->gated) return group_panels;
  size_t columns = packing->outputs - group * SEGMOE_GROUP;
  if (columns > SEGMOE_GROUP) columns = SEGMOE_GROUP;
  return (columns + SEGMOE_PANEL - 1) / SEGMOE_PANEL;
}

/// Panels of all groups.
static inline size_t segmoe_panels(const segmoe_packing *packing) {
  size_t panels = 0;
  for (size_t group = 0; group < segmoe_groups(packing); group++) panels += panels_of_group(packing, group);
  return panels;
}

/// The weight's row that column `lane` of a panel of a group is made of, or −1 for none. A gated group
/// has two panels of values and two of their gates.
static inline ptrdiff_t row_of_column(const segmoe_packing *packing, size_t group, size_t panel,
                                      size_t lane) {
  size_t column = group * SEGMOE_GROUP + panel * SEGMOE_PANEL + lane, offset = 0;
  if (packing->gated) {
    const size_t half = group_panels / 2;
    column = group * (SEGMOE_GROUP / 2) + panel % half * SEGMOE_PANEL + lane;
    offset = panel < half ? 0 : packing->outputs;
  }
  return column < packing->outputs ? (ptrdiff_t)(column + offset) : -1;
}

#endif
