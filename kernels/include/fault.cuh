// Errors that depend on data, such as an index out of range. A kernel that finds one must not touch memory with it: it raises the error and goes
// on as if the item were not there. The host learns of it when it next waits for the device.
#pragma once
#include "cuda.cuh"

// Fault is the device's one record of such errors: the first that is raised, until the host has read and cleared it.
struct Fault {
    u64 call;             // the number of the call that raised it; 0 while there is none
    i64 position, value;  // what was found where, in the call's own terms
    u64 reserved;
};

// raise records an error of the given call (a parameter that the host fills in, as fault is), unless there is one already.
DEVICE void raise(Fault* fault, u64 call, i64 position, i64 value) {
    u64 old;
    asm volatile("atom.cas.b64 %0, [%1], %2, %3;" : "=l"(old) : "l"(&fault->call), "l"(0ull), "l"(call) : "memory");
    if (old != 0) return;
    fault->position = position;
    fault->value = value;
}
