// Copies from global to shared memory that run beside the thread (cp.async, sm_80).
#pragma once
#include "memory.cuh"

// copyAsync copies bytes (4, 8 or 16) to the shared address at; where ok is false it fills with zeros and does not touch from. Both
// addresses are multiples of bytes. 16 bytes go past the L1.
template <int bytes>
DEVICE void copyAsync(u32 at, const void* from, bool ok = true) {
    u32 n = ok ? bytes : 0;
    if constexpr (bytes == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(n) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from), "n"(bytes), "r"(n) : "memory");
    }
}

// commitAsync closes the group of the copies so far; waitAsync<n> waits until at most the n latest groups are under way. What has come is
// visible to the thread itself; a barrier makes it visible to the block.
DEVICE void commitAsync() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n> DEVICE void waitAsync() { asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory"); }
