//go:build gpu

#define _GNU_SOURCE
#include "loader.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "names.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *real[FUNCTIONS];
static CUresult status = CUDA_ERROR_NOT_INITIALIZED;
static char fault[512], path[512];
static const char *volatile lacking = "";

// openDriver finds the functions and starts the driver. The library stays open: it cannot be unloaded safely.
static void openDriver(void) {
    const char *wish = getenv("PALLADIO_LIBCUDA");
    snprintf(path, sizeof path, "%s", wish && *wish ? wish : "libcuda.so.1");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        snprintf(fault, sizeof fault, "%s", why ? why : "unknown reason");
        status = CUDA_ERROR_STUB_LIBRARY;
        return;
    }
    for (int i = 0; i < FUNCTIONS; i++) real[i] = dlsym(library, symbols[i]);
    CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))real[AT_cuInit];
    if (!init) {
        snprintf(fault, sizeof fault, "it has no function cuInit");
        status = CUDA_ERROR_STUB_LIBRARY;
        return;
    }
    status = init(0);
}

CUresult driverStatus(void) {
    pthread_once(&once, openDriver);
    return status;
}

const char *driverFault(void) { return fault; }
const char *driverPath(void) { return path; }
const char *missingSymbol(void) { return lacking; }

void *realFunction(int at) { return driverStatus() == CUDA_SUCCESS ? real[at] : NULL; }

CUresult missing(int at) {
    if (status != CUDA_SUCCESS) return status;
    lacking = symbols[at];
    return CUDA_ERROR_NOT_SUPPORTED;
}

// The simulated driver's handles are addresses in a range that is reserved and can not be accessed, so that no other pointer is taken for one.
enum { HANDLES = 1 << 24 };
static char *handles;
static pthread_once_t reserved = PTHREAD_ONCE_INIT;

static void reserve(void) {
    handles = mmap(NULL, (size_t)HANDLES * HANDLE_STEP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (handles == MAP_FAILED) handles = NULL;
}

void *simulatedHandle(uint32_t n) {
    pthread_once(&reserved, reserve);
    return handles && n < HANDLES ? handles + (size_t)n * HANDLE_STEP : NULL;
}

int64_t simulatedNumber(const void *handle) {
    size_t off = (size_t)((const char *)handle - handles);
    return handles && off < (size_t)HANDLES * HANDLE_STEP ? (int64_t)(off / HANDLE_STEP) : -1;
}

// The stack of current contexts may hold contexts of both kinds. The driver keeps its own; beside it, the thread remembers what simulated context
// was current below each push (NULL where it was one of the driver's).
enum { STACK = 64 };
__thread CUcontext simulatedContext;
static __thread CUcontext below[STACK];
static __thread int depth;

static CUresult push(CUcontext simulated) {
    if (depth == STACK) return CUDA_ERROR_INVALID_VALUE;
    below[depth++] = simulatedContext;
    simulatedContext = simulated;
    return CUDA_SUCCESS;
}

static void pop(void) { simulatedContext = depth > 0 ? below[--depth] : NULL; }

extern CUresult simCtxCreate(CUcontext *, unsigned int, CUdevice);
extern CUresult simCtxDestroy(CUcontext);
extern CUresult simCtxCheck(CUcontext);
extern CUresult simDriverGetVersion(int *);

CUcontext currentSimulated(void) { return simulatedContext; }

static int isSimulated(const void *handle) { return simulatedNumber(handle) >= 0; }

// The rest of driver's answers that depend on the arguments. cuInit is put off to the first call that needs the driver, because gorgonia.org/cu
// calls it while the program starts and ends the process where it fails.

CUresult cuInit(unsigned int flags) { return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS; }

static CUresult realDeviceGetCount(int *n) { FORWARD(cuDeviceGetCount, (int *), (n)); }

CUresult cuDeviceGetCount(int *n) {
    *n = 0;
    return driverStatus() == CUDA_SUCCESS ? realDeviceGetCount(n) : CUDA_SUCCESS;
}

CUresult driverVersion(int *v) { FORWARD(cuDriverGetVersion, (int *), (v)); }

CUresult cuDriverGetVersion(int *v) {
    return currentIsSimulated() ? simDriverGetVersion(v) : driverVersion(v);
}

static CUresult realCtxCreate(CUcontext *c, unsigned int flags, CUdevice d) {
    FORWARD(cuCtxCreate, (CUcontext *, unsigned int, CUdevice), (c, flags, d));
}

CUresult cuCtxCreate(CUcontext *c, unsigned int flags, CUdevice d) {
    int simulated = isSimulatedDevice(d);
    CUresult r = simulated ? simCtxCreate(c, flags, d) : realCtxCreate(c, flags, d);
    return r == CUDA_SUCCESS ? push(simulated ? *c : NULL) : r;
}

static CUresult realCtxDestroy(CUcontext c) { FORWARD(cuCtxDestroy, (CUcontext), (c)); }

static CUresult realCtxGetCurrent(CUcontext *c) { FORWARD(cuCtxGetCurrent, (CUcontext *), (c)); }

// Destroying the current context takes it off the stack.
CUresult cuCtxDestroy(CUcontext c) {
    CUcontext current = NULL;
    if (isSimulated(c)) {
        CUresult r = simCtxDestroy(c);
        if (simulatedContext == c) pop();
        return r;
    }
    if (!simulatedContext) realCtxGetCurrent(&current);
    CUresult r = realCtxDestroy(c);
    if (current && current == c) pop();
    return r;
}

static CUresult realCtxSetCurrent(CUcontext c) { FORWARD(cuCtxSetCurrent, (CUcontext), (c)); }

CUresult cuCtxSetCurrent(CUcontext c) {
    if (isSimulated(c)) {
        CUresult r = simCtxCheck(c);
        if (r == CUDA_SUCCESS) simulatedContext = c;
        return r;
    }
    simulatedContext = NULL;
    if (c == NULL && status != CUDA_SUCCESS) return CUDA_SUCCESS; // there is none to take away
    return realCtxSetCurrent(c);
}

CUresult cuCtxGetCurrent(CUcontext *c) {
    *c = simulatedContext;
    if (simulatedContext || status != CUDA_SUCCESS) return CUDA_SUCCESS;
    return realCtxGetCurrent(c);
}

static CUresult realCtxPushCurrent(CUcontext c) { FORWARD(cuCtxPushCurrent, (CUcontext), (c)); }

CUresult cuCtxPushCurrent(CUcontext c) {
    if (isSimulated(c)) {
        CUresult r = simCtxCheck(c);
        return r == CUDA_SUCCESS ? push(c) : r;
    }
    CUresult r = realCtxPushCurrent(c);
    return r == CUDA_SUCCESS ? push(NULL) : r;
}

static CUresult realCtxPopCurrent(CUcontext *c) { FORWARD(cuCtxPopCurrent, (CUcontext *), (c)); }

CUresult cuCtxPopCurrent(CUcontext *c) {
    if (simulatedContext) {
        if (c) *c = simulatedContext;
        pop();
        return CUDA_SUCCESS;
    }
    CUresult r = realCtxPopCurrent(c);
    if (r == CUDA_SUCCESS) pop();
    return r;
}

static CUresult realCtxGetApiVersion(CUcontext c, unsigned int *v) { FORWARD(cuCtxGetApiVersion, (CUcontext, unsigned int *), (c, v)); }

CUresult cuCtxGetApiVersion(CUcontext c, unsigned int *v) {
    if (!(c ? isSimulated(c) : currentIsSimulated())) return realCtxGetApiVersion(c, v);
    *v = 3020; // the version of the interface since contexts have 64-bit addresses
    return CUDA_SUCCESS;
}

static CUresult realGetErrorName(CUresult code, const char **s) { FORWARD(cuGetErrorName, (CUresult, const char **), (code, s)); }
static CUresult realGetErrorString(CUresult code, const char **s) { FORWARD(cuGetErrorString, (CUresult, const char **), (code, s)); }

CUresult cuGetErrorName(CUresult code, const char **s) {
    *s = errorName(code);
    if (*s) return CUDA_SUCCESS;
    return status == CUDA_SUCCESS ? realGetErrorName(code, s) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult code, const char **s) {
    *s = NULL;
    return status == CUDA_SUCCESS ? realGetErrorString(code, s) : CUDA_ERROR_INVALID_VALUE;
}
