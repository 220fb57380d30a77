// The part of CUDA C++ that the kernels use, for compilers that come without NVIDIA's headers: clang -nocudainc -nocudalib, or nvcc.
#pragma once

#ifdef __clang__
#define __host__ __attribute__((host))
#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#endif

// KERNEL starts the definition of an entry point that is launched with up to threads threads a block, and at least blocks blocks to a
// multiprocessor: that is its budget of registers, 65536 / (threads · blocks), which make kernels holds it to without spills.
#define KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

#define DEVICE static __device__ __forceinline__

#ifdef __clang__
DEVICE u32 threadX() { return __nvvm_read_ptx_sreg_tid_x(); }
DEVICE u32 threadY() { return __nvvm_read_ptx_sreg_tid_y(); }
DEVICE u32 blockX() { return __nvvm_read_ptx_sreg_ctaid_x(); }
DEVICE u32 blockY() { return __nvvm_read_ptx_sreg_ctaid_y(); }
DEVICE u32 blockZ() { return __nvvm_read_ptx_sreg_ctaid_z(); }
DEVICE u32 blockWidth() { return __nvvm_read_ptx_sreg_ntid_x(); }
DEVICE u32 gridWidth() { return __nvvm_read_ptx_sreg_nctaid_x(); }
DEVICE void barrier() { __syncthreads(); }
#else
DEVICE u32 threadX() { return threadIdx.x; }
DEVICE u32 threadY() { return threadIdx.y; }
DEVICE u32 blockX() { return blockIdx.x; }
DEVICE u32 blockY() { return blockIdx.y; }
DEVICE u32 blockZ() { return blockIdx.z; }
DEVICE u32 blockWidth() { return blockDim.x; }
DEVICE u32 gridWidth() { return gridDim.x; }
DEVICE void barrier() { __syncthreads(); }
#endif

// The thread's number in the launch, and how many there are, for loops over one dimension.
DEVICE u64 firstItem() { return (u64)blockX() * blockWidth() + threadX(); }
DEVICE u64 itemStep() { return (u64)gridWidth() * blockWidth(); }

// Pack is the elements of one 16-byte access.
template <typename T>
struct alignas(16) Pack {
    static constexpr int size = 16 / sizeof(T);
    T v[size];
};
