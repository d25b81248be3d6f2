/* The number type of tensors: float in the program, double in the tests' copy of ops and nn (central differences). */
#ifndef RMFER_BASE_REAL_H
#define RMFER_BASE_REAL_H

#ifdef RMFER_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
