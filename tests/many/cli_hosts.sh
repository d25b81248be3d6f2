#!/bin/sh
# Two machines: two network namespaces with names of their own, a cable between them, Open MPI's daemon started in the other one
# as it would be over ssh. Needs root and Open MPI. What runs there crosses the cable: neither sees the other's memory.
# RMFER_MPI is the program, RMFER_TESTS the folder of the test programs.
RMFER=$RMFER_MPI
. tests/support/cli.sh
. tests/many/support/mpirun.sh
here=rmfer-a-$$ there=rmfer-b-$$
job=
cut() {
    [ -z "$job" ] || kill "$job" 2>/dev/null
    ip netns del "$here" 2>/dev/null
    ip netns del "$there" 2>/dev/null
    rm -rf "$folder"
}
trap cut EXIT

# side NAMESPACE DEVICE ADDRESS
side() {
    ip link set "$2" netns "$1" && ip -n "$1" addr add "$3/24" dev "$2" && ip -n "$1" link set "$2" up && ip -n "$1" link set lo up
}
connect() {
    mpirun --version 2>/dev/null | grep -q 'Open MPI' && ip netns add "$here" && ip netns add "$there" &&
        ip link add "va$$" type veth peer name "vb$$" && side "$here" "va$$" 10.77.0.1 && side "$there" "vb$$" 10.77.0.2 &&
        ip netns exec "$here" unshare --uts hostname machine-a
}
if ! connect >/dev/null 2>&1; then
    skip "two machines, which need root, network namespaces and Open MPI"
    finish
    exit
fi
cat >"$folder/agent" <<AGENT
#!/bin/sh
shift
exec ip netns exec $there unshare --uts sh -c "hostname machine-b; \$*"
AGENT
chmod +x "$folder/agent"

# machines PROCESSES COMMAND...: as many on each, the first on machine-a.
machines() {
    processes=$1
    shift
    ip netns exec "$here" unshare --uts sh -c 'hostname machine-a; shift; exec "$@"' sh . timeout 120 mpirun -n "$processes" \
        --host "10.77.0.1:$processes,10.77.0.2:$processes" --map-by node --mca plm_rsh_agent "$folder/agent" --mca btl self,vader,tcp \
        --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 "$@"
}

check "sums over two machines with two processes each" machines 4 "$RMFER_TESTS/many/test_dist"
says "sums" '0 failed over 4 processes'
check "what a machine has in common" machines 4 "$RMFER_TESTS/many/test_data_picture_room"
says "what a machine has in common" '0 failed over 4 processes'

top=$PWD
cd "$folder" || exit 1
drawn_ini >run.ini
cat >>run.ini <<'INI'
[train]
optimizer = sgd
lr = 1e-3
lr_ial = 1e-3
batch = 8
epochs = 500
warmup_epochs = 500
[eval]
every = 500
[acl]
weight = 0
[output]
log_every = 1
INI
check "draw faces" "$RMFER" synth faces --faces 64 --size 32 --seed 3 --mashups 0
check "one process" "$RMFER" train --config run.ini --threads 1 --set train.max_steps=4 --out one
check "two machines" machines 2 "$RMFER" train --config "$folder/run.ini" --threads 1 --set train.max_steps=4 --out "$folder/two"
says "two machines" 'machine-a: rank 0;'
says "two machines" 'machine-b: rank 1;'
for run in one two; do sed -n 's/^{"step": \([0-9]*\),.*"loss": \([0-9.e+-]*\),.*/\1 \2/p' $run/metrics.jsonl >$run.losses; done
# Sums come in another order, and from random weights a difference grows up to a hundredfold with each step: the first is before
# any could grow, the second after one exchange, and gradients that were half or twice would move each later one by more.
holds "two machines learn what one process does" sh -c "paste -d ' ' one.losses two.losses |
    awk '{ limit = NR == 1 ? 1e-5 : NR == 2 ? 1e-3 : 2e-2; away = \$2 - \$4
           if (\$1 != \$3 || away > limit || away < -limit) bad = 1 } END { exit bad || NR < 4 }'"

machines 2 "$RMFER" train --config "$folder/run.ini" --threads 1 --out "$folder/killed" >"$folder/out" 2>"$folder/err" &
job=$!
for _ in $(seq 600); do
    grep -q '^{"step": 2,' killed/metrics.jsonl 2>/dev/null && break
    sleep 0.1
done
victim=$(ip netns pids "$there" | while read -r id; do [ "$(readlink "/proc/$id/exe")" = "$RMFER" ] && echo "$id"; done)
holds "a rank on the other machine is found" test -n "$victim"
[ -n "$victim" ] && kill -9 "$victim"
for _ in $(seq 100); do
    kill -0 $job 2>/dev/null || break
    sleep 0.1
done
kill -0 $job 2>/dev/null && fail "a killed rank on the other machine ends all within ten seconds"
kill $job 2>/dev/null
wait $job && fail "a killed rank is a failure"
cd "$top" || exit 1
finish
