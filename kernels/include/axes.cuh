// Positions of strided tensors: items numbered in row-major order over a table of axes, split into coordinates by products and shifts.
#pragma once
#include "divide.cuh"

// Axis is one axis of a table that lowering writes: extent (a Divider's parameter), and the steps in two tensors, in units of what moves. Tables begin
// with the innermost axis and have at least three; missing ones have extent 1. Extents and steps are less than 2^31.
struct Axis {
    u64 extent;
    i32 dst, src;
};

// Place is where an item lies in both tensors.
struct Place {
    i64 dst, src;
};

// Axes holds the two inner axes in registers; further ones are read as they are needed.
struct Axes {
    Divider d0, d1;
    i32 dst0, src0, dst1, src1;
    const Axis* outer;
    u32 rank;

    DEVICE_MEMBER Axes(const Axis* table, u32 rank)
        : d0(table[0].extent), d1(table[1].extent), dst0(table[0].dst), src0(table[0].src), dst1(table[1].dst), src1(table[1].src),
          outer(table + 2), rank(rank) {}

    DEVICE_MEMBER Place of(u32 item) const {
        u32 rest = d0.split(item); // item is now the coordinate
        Place p = {wide(item, dst0), wide(item, src0)};
        u32 next = d1.split(rest);
        p.dst += wide(rest, dst1);
        p.src += wide(rest, src1);
        for (u32 a = 2; a + 1 < rank; a++) {
            Axis x = outer[a - 2];
            u32 c = next;
            next = Divider(x.extent).split(c);
            p.dst += wide(c, x.dst);
            p.src += wide(c, x.src);
        }
        Axis x = outer[rank - 3]; // the outermost takes what is left
        p.dst += wide(next, x.dst);
        p.src += wide(next, x.src);
        return p;
    }

    // wide is the product in 64 bits, by one instruction.
    static DEVICE_MEMBER i64 wide(u32 coordinate, i32 step) { return (i64)(i32)coordinate * step; }
};
