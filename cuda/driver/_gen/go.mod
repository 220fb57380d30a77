module palladio/cuda/driver/gen

go 1.26.0
