#ifndef SEGMOE_AMX_H
#define SEGMOE_AMX_H

/// Whether this process may use AMX's tiles with products of bytes and of bfloat16: processor, kernel and the kernel's
/// permission, which the first call asks for. It holds for all threads.
int segmoe_amx_available(void);

#endif
