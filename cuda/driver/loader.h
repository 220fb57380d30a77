// How the functions of the driver's interface are answered: by libcuda, opened at run time, or by the simulated driver written in Go.
#ifndef PALLADIO_LOADER_H
#define PALLADIO_LOADER_H

#include "cuda.h"
#include "forward.h"

// Simulated devices have numbers from here on; the driver's count from 0.
#define FIRST_SIMULATED 4096

// The thread's current context where that is a simulated one, else NULL.
extern __thread CUcontext simulatedContext;

CUcontext currentSimulated(void);
static inline int currentIsSimulated(void) { return simulatedContext != NULL; }
static inline int isSimulatedDevice(int device) { return device >= FIRST_SIMULATED; }

// realFunction is libcuda's function of a number of forward.h, NULL where there is none. The first call opens the library and starts the driver.
void *realFunction(int at);

// missing is the answer where realFunction is NULL: why the driver did not start, or CUDA_ERROR_NOT_SUPPORTED.
CUresult missing(int at);

#define FORWARD(name, types, args)                                               \
    do {                                                                         \
        CUresult(CUDAAPI * f) types = (CUresult(CUDAAPI *) types) realFunction(AT_##name); \
        return f ? f args : missing(AT_##name);                                  \
    } while (0)

// What became of opening the driver.
CUresult driverStatus(void);      // CUDA_SUCCESS, CUDA_ERROR_STUB_LIBRARY where libcuda cannot be opened, or what cuInit said
CUresult driverVersion(int *);    // the newest CUDA version that libcuda supports, whatever context is current
const char *driverFault(void);    // the dynamic linker's message where libcuda cannot be opened, else ""
const char *driverPath(void);     // what was opened or tried
const char *missingSymbol(void);  // the last function asked for that the driver lacks, "" if none

#define HANDLE_STEP 16

// The address of handle number n of the simulated driver, and back (-1 for others). Nothing may be read or written there.
void *simulatedHandle(uint32_t n);
int64_t simulatedNumber(const void *handle);

#endif
