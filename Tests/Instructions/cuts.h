#ifndef SEGMOE_CUTS_H
#define SEGMOE_CUTS_H

/// Rows of an attention that is cut.
enum { cut_rows = 101 };

/// How often AMX's results depend on how work is cut, each of which is printed.
int cut_faults(void);

#endif
