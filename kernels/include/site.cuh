// Maps of positions of a feature map [n, p0, p1, p2, channels] to windows of another. Each thread takes a unit of neighbouring channels at one
// position; what an axis needs is in a table made by the host.
#pragma once
#include "divide.cuh"
#include "tile.cuh"

struct Site {
    u32 p0, p1, p2, unit;
};

// Map is the extents that an item of a launch is split over.
struct Map {
    Divider units, p2, p1;
    u32 items; // of one sample
    DEVICE_MEMBER Map(u64 units, u64 p2, u64 p1, u32 items) : units(units), p2(p2), p1(p1), items(items) {}

    // each calls f with every sample and site that is this thread's; samples are along y.
    template <typename F>
    DEVICE_MEMBER void each(u64 n, F f) const {
        for (u64 sample = blockY(); sample < n; sample += gridHeight()) {
            for (u64 i = firstItem(); i < items; i += itemStep()) {
                Site s;
                u32 rest = (u32)i;
                u32 position = units.split(rest);
                s.unit = rest;
                u32 row = p2.split(position);
                s.p2 = position;
                s.p0 = p1.split(row);
                s.p1 = row;
                f(sample, (u32)i, s);
            }
        }
    }
};

// Extents of the three spatial axes of the feature map that a site looks at.
struct Extents {
    u32 e0, e1, e2;
    DEVICE_MEMBER u64 positions() const { return (u64)e0 * e1 * e2; }
    DEVICE_MEMBER u32 at(u32 p0, u32 p1, u32 p2) const { return (p0 * e1 + p1) * e2 + p2; }
};
