// The front door: every room of the library, lowest first; written by tools/amalgamate. Left out are the headers that
// need a library most programs do not have: io/dicom.hpp (DCMTK) and train/distributed.hpp (MPI).
#pragma once

#include "core/arena.hpp"
#include "core/box.hpp"
#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/image.hpp"
#include "core/matrix.hpp"
#include "core/parallel.hpp"
#include "core/random.hpp"
#include "core/version.hpp"

#include "kernels/activation.hpp"
#include "kernels/attention.hpp"
#include "kernels/dot.hpp"
#include "kernels/embedding.hpp"
#include "kernels/kv_pages.hpp"
#include "kernels/layer_norm.hpp"
#include "kernels/matmul.hpp"
#include "kernels/rms_norm.hpp"
#include "kernels/rope.hpp"
#include "kernels/simd.hpp"
#include "kernels/tensor_view.hpp"

#include "model/config.hpp"
