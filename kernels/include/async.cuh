// Copies from global to shared memory that run beside the thread (cp.async, sm_80).
#pragma once
#include "memory.cuh"

// copyAsyncBytes copies the first count bytes of a piece of 4, 8 or 16 bytes to the shared address at, and fills the rest with zeros. Both addresses
// are multiples of the piece; memory past count bytes is not touched. Pieces of 16 bytes go past the L1.
template <int piece>
DEVICE void copyAsyncBytes(u32 at, const void* from, u32 count) {
    if constexpr (piece == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(count) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from), "n"(piece), "r"(count) : "memory");
    }
}

// copyAsync copies the whole piece, or zeros where ok is false.
template <int piece>
DEVICE void copyAsync(u32 at, const void* from, bool ok = true) { copyAsyncBytes<piece>(at, from, ok ? piece : 0); }

// commitAsync closes the group of the copies so far; waitAsync<n> waits until at most the n latest groups are under way. What has come is
// visible to the thread itself; a barrier makes it visible to the block.
DEVICE void commitAsync() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n> DEVICE void waitAsync() { asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory"); }
