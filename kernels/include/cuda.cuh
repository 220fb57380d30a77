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
#define DEVICE_MEMBER __device__ __forceinline__

#ifdef __clang__
DEVICE u32 threadX() { return __nvvm_read_ptx_sreg_tid_x(); }
DEVICE u32 threadY() { return __nvvm_read_ptx_sreg_tid_y(); }
DEVICE u32 threadZ() { return __nvvm_read_ptx_sreg_tid_z(); }
DEVICE u32 blockX() { return __nvvm_read_ptx_sreg_ctaid_x(); }
DEVICE u32 blockY() { return __nvvm_read_ptx_sreg_ctaid_y(); }
DEVICE u32 blockZ() { return __nvvm_read_ptx_sreg_ctaid_z(); }
DEVICE u32 blockWidth() { return __nvvm_read_ptx_sreg_ntid_x(); }
DEVICE u32 blockHeight() { return __nvvm_read_ptx_sreg_ntid_y(); }
DEVICE u32 gridWidth() { return __nvvm_read_ptx_sreg_nctaid_x(); }
DEVICE u32 gridHeight() { return __nvvm_read_ptx_sreg_nctaid_y(); }
DEVICE u32 gridDepth() { return __nvvm_read_ptx_sreg_nctaid_z(); }
typedef u32 Word4 __attribute__((ext_vector_type(4)));
typedef u32 Word2 __attribute__((ext_vector_type(2)));
#else
DEVICE u32 threadX() { return threadIdx.x; }
DEVICE u32 threadY() { return threadIdx.y; }
DEVICE u32 threadZ() { return threadIdx.z; }
DEVICE u32 blockX() { return blockIdx.x; }
DEVICE u32 blockY() { return blockIdx.y; }
DEVICE u32 blockZ() { return blockIdx.z; }
DEVICE u32 blockWidth() { return blockDim.x; }
DEVICE u32 blockHeight() { return blockDim.y; }
DEVICE u32 gridWidth() { return gridDim.x; }
DEVICE u32 gridHeight() { return gridDim.y; }
DEVICE u32 gridDepth() { return gridDim.z; }
typedef uint4 Word4;
typedef uint2 Word2;
#endif
DEVICE void barrier() { __syncthreads(); }

// The thread's place in its warp, and the warp's in a block of one dimension.
DEVICE u32 lane() { return threadX() % 32; }
DEVICE u32 warp() { return threadX() / 32; }

// The thread's number in the launch, and how many there are, for loops over one dimension.
DEVICE u64 firstItem() { return (u64)blockX() * blockWidth() + threadX(); }
DEVICE u64 itemStep() { return (u64)gridWidth() * blockWidth(); }

template <typename T> DEVICE T smaller(T a, T b) { return b < a ? b : a; }
template <typename T> DEVICE T larger(T a, T b) { return a < b ? b : a; }
template <typename T> DEVICE T ceilDiv(T a, T b) { return (a + b - 1) / b; }

template <typename A, typename B> struct Same { static constexpr bool value = false; };
template <typename A> struct Same<A, A> { static constexpr bool value = true; };

// The bits of a number, and back.
DEVICE u32 bitsOf(float x) { return __builtin_bit_cast(u32, x); }
DEVICE u64 bitsOf(double x) { return __builtin_bit_cast(u64, x); }
DEVICE float floatOf(u32 b) { return __builtin_bit_cast(float, b); }
DEVICE double doubleOf(u64 b) { return __builtin_bit_cast(double, b); }

// Pack is the elements of one 16-byte access. Copies to and from memory are one access of 16 bytes to an address that must be a
// multiple of 16; memory.cuh has loads and stores by address, and those with a cache hint.
template <typename T>
struct alignas(16) Pack {
    static constexpr int size = 16 / sizeof(T);
    T v[size];

    DEVICE_MEMBER Pack() {}
    DEVICE_MEMBER Pack(const Pack& o) { *this = o; }
    DEVICE_MEMBER Pack& operator=(const Pack& o) {
        Word4 w = *(const Word4*)&o;
        if constexpr (sizeof(T) > 1) {
            *(Word4*)this = w;
        } else { // clang would store the words one by one, in the order in which it put them together
            asm volatile("" : "+r"(w.x), "+r"(w.y), "+r"(w.z), "+r"(w.w));
            *(Word4*)this = w;
        }
        return *this;
    }
    DEVICE_MEMBER T& operator[](int i) { return v[i]; } // i must be a constant after unrolling
    DEVICE_MEMBER const T& operator[](int i) const { return v[i]; }
};
