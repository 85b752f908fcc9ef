// What both translation units include: all of medmo, or (in the ways that only test the build system) two headers of it.
#pragma once

#ifdef FRONT_DOOR
#include <medmo/medmo.hpp>
#else
#include <medmo/core/box.hpp>
#include <medmo/core/error.hpp>
#include <medmo/core/parallel.hpp>
#endif
#ifdef MEDMO_DICOM
#include <medmo/io/dicom.hpp>
#endif

medmo::box<medmo::pixel> scaled_elsewhere(medmo::box<medmo::norm1000> b);
