# ranks N COMMAND...: starts N processes on this machine, whoever asks and however few its cores; Open MPI or MPICH. They
# give way while they wait, because they may share a core.
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
ranks() {
    processes=$1
    shift
    timeout 120 mpirun -n "$processes" "$@"
}
