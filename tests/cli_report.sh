#!/bin/sh
# rmfer report and rmfer table: pages of runs with nothing, one evaluation, NaN, hostile names, 200,000 steps; numbers that
# are those of eval --json; comparisons over seeds; a page that follows a run.
. tests/support/cli.sh
cd "$folder" || exit 1

# whole PAGE: every element that is opened is closed, in order; nothing is fetched; every figure has a name.
whole() {
    cat >whole.py <<'PYTHON'
import re, sys
from html.parser import HTMLParser

class Checker(HTMLParser):
    VOID = {"meta", "img", "br", "rect", "path", "circle"}
    def __init__(self):
        super().__init__()
        self.open, self.ids = [], set()
    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if "id" in names:
            assert names["id"] not in self.ids, names["id"]
            self.ids.add(names["id"])
        if tag == "svg": assert names["aria-label"] and names["role"] == "img"
        if tag == "img": assert names["alt"] and names["src"].startswith("data:image/jpeg;base64,")
        for value in names.values(): assert value is None or value.startswith("data:image/") or "//" not in value.replace("http://www.w3.org/2000/svg", ""), value
        if tag not in ("meta", "img", "br"): self.open.append(tag)
    def handle_startendtag(self, tag, attributes): pass
    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:], self.getpos())
        self.open.pop()

text = open(sys.argv[1], encoding="utf-8").read()
checker = Checker()
checker.feed(text)
checker.close()
assert not checker.open, checker.open
body = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
assert not re.search(r"<(script|link|iframe|object)|@import|url\(", body)
assert not re.search(r"[^a-zA-Z]nan[^a-zA-Z]|inf[ ,\"<]", re.sub(r"base64,[^\"]*|<pre.*?</pre>", "", body, flags=re.S)), "a number is none"
PYTHON
    if command -v python3 >/dev/null; then
        check "$1 is whole" python3 whole.py "$1"
    else
        skip "no python3 to walk through $1"
    fi
}

# ---- run folders alone ----
mkdir uneven
for epoch in 1 2 3; do
    loss=0.$epoch
    [ $epoch = 2 ] && loss=null
    echo "{\"step\": $epoch, \"epoch\": $epoch, \"phase\": 1, \"split\": \"valid\", \"loss\": $loss, \"overall_accuracy\": 0.7$epoch, \"average_accuracy\": 0.6$epoch, \"confusion\": [[3, 1], [2, 4]]}"
done >uneven/metrics.jsonl
check "a page with a number missing" "$RMFER" report uneven -o uneven.html
holds "the others stand where they belong" [ "$(sed -n '/all evaluations/,/<\/table>/p' uneven.html | tr -d '\n' |
    grep -c '<td>2</td><td>72.00</td><td>62.00</td><td>[^0-9]*</td></tr><tr><td>3</td><td>73.00</td><td>63.00</td><td>0.3000</td>')" = 1 ]
evaluation='"split": "valid", "n": 10, "loss": 0.5, "overall_accuracy": 0.7, "average_accuracy": 0.6875, "confusion": [[3, 1], [2, 4]]'
mkdir none one gaps long '<b>&"run'
: >none/metrics.jsonl
printf '[data]\nclasses = A<b, C&"d\n[train]\nseed = 4\n' >one/config.ini
echo "{\"step\": 4, \"epoch\": 2, \"phase\": 1, $evaluation}" >one/metrics.jsonl
{
    echo '{"step": 1, "epoch": 1, "phase": 1, "loss": null, "lr": 0.1}'
    echo '{"step": 2, "epoch": 2, "phase": 1, "split": "valid", "loss": null, "overall_accuracy": null, "average_accuracy": null, "confusion": [[0, 0], [0, 0]]}'
} >gaps/metrics.jsonl
cp one/metrics.jsonl one/config.ini '<b>&"run'
echo '2026-01-01 00:00:00 rmfer 0.1.0, 2 threads, command: rmfer train --set "a<b&c"' >'<b>&"run/log.txt'
awk 'BEGIN { for (i = 1; i <= 200000; i++)
    printf "{\"step\": %d, \"epoch\": %g, \"phase\": %d, \"loss\": %g, \"loss_fer\": %g, \"loss_ial\": %g, \"loss_acl\": 0, \"accuracy\": %g, \"lr\": %g, \"images_per_s\": %g}\n",
           i, i / 1000, 1 + (i > 99999), i == 77777 ? 99 : 1 / i, 2 / i, 3 / i, 1 - 1 / i, 0.1, 100 + i % 7 }' >long/metrics.jsonl
for run in none one gaps long '<b>&"run'; do
    check "a page of $run" "$RMFER" report "$run" -o page.html
    whole page.html
    cp page.html "page of ${run#<*}.html"
done
holds "none says so" grep -q 'No evaluation yet' 'page of none.html'
holds "one has its accuracy" grep -q 'overall accuracy 70.00 %' 'page of one.html'
holds "and why there is no more" grep -q 'best_overall.safetensors is not there' 'page of one.html'
if grep -q '<b>&"\|A<b\|a<b&c' page.html; then fail "a hostile name stands raw"; else pass; fi
holds "the command is told" grep -q 'rmfer train --set &quot;a&lt;b&amp;c' page.html
holds "the seed is told" grep -q '<td class="words">4</td>' page.html
holds "a peak between pixels is seen" grep -q '<td>99</td>' 'page of long.html'
holds "a long run makes no large page" [ "$(wc -c <'page of long.html')" -lt 5000000 ]
refuses "no page" 2 'needs run folders' "$RMFER" report one
refuses "no folder" 1 'metrics.jsonl' "$RMFER" report nowhere -o page.html
cp one/config.ini precious.txt
refuses "a page over another file" 2 'precious.txt: is there and is no page' "$RMFER" report one -o precious.txt --no-data
check "which stays" cmp one/config.ini precious.txt
refuses "a page called -" 2 'written to a file' "$RMFER" report one -o -
for option in --no-pictures --sample=5; do
    refuses "$option without data" 2 "${option%=*} belongs to a page with data" "$RMFER" report one -o page.html --no-data $option
done
refuses "a strange watch" 2 'seconds' "$RMFER" report one -o page.html --watch=soon

# ---- comparisons ----
for seed in 0 1 2; do
    mkdir base-seed$seed full-seed$seed
    printf '[train]\nseed = %d\n' $seed | tee base-seed$seed/config.ini >full-seed$seed/config.ini
    echo "{\"step\": 4, \"epoch\": 2, \"phase\": 1, $evaluation}" | sed "s/0.7,/0.6$seed,/" >base-seed$seed/metrics.jsonl
    echo "{\"step\": 4, \"epoch\": 2, \"phase\": 1, $evaluation}" | sed "s/0.7,/0.7$((2 * seed)),/" >full-seed$seed/metrics.jsonl
done
# Differences of 10, 11 and 12 points: t = 11 sqrt 3 with 2 degrees of freedom, p = 1 - t / sqrt(t^2 + 2) = .0027.
check "gains" "$RMFER" table base-seed0 base-seed1 base-seed2 full-seed2 full-seed1 full-seed0 --gain
says "gains" '| full | 3 | 72.00 ± 2.00 | +11.00 ± 1.00 \[8.52, 13.48\] \\\*\\\* |'
check "gains as CSV" "$RMFER" table base-seed0 base-seed1 base-seed2 full-seed0 full-seed1 full-seed2 --gain --format csv
says "gains as CSV" '^"full",3,72.00,2.00,,,+11.00,1.00,0.002743,8.52,13.48,'
check "gains as LaTeX" "$RMFER" table base-seed0 base-seed1 base-seed2 full-seed0 full-seed1 full-seed2 --gain --format latex
says "gains as LaTeX" '^full & 3 & 72.00 $\\pm$ 2.00 & +11.00 $\\pm$ 1.00 \[8.52, 13.48\]$^{\*\*}$ &'
check "recalls" "$RMFER" table one base-seed0 --recalls
says "recalls of the classes that a run names" '| A.<b | C&"d |$'
says "its own" '| one | 1 | 70.00 | 68.75 | 75.0 | 66.7 |$'
says "another names none" '| base | 1 | 60.00 | 68.75 | – | – |$'
cp -r one other && printf '[data]\nclasses = C&"d, E\n' >other/config.ini
check "recalls of two lists of classes" "$RMFER" table one other --recalls
says "every class" '| A.<b | C&"d | E |$'
says "the second's own" '| other | 1 | 70.00 | 68.75 | – | 75.0 | 66.7 |$'
check "recalls as CSV" "$RMFER" table one --recalls --format csv
says "with quoted names" '"recall_A<b","recall_A<b_deviation","recall_C&""d","recall_C&""d_deviation",split,dataset$'
check "a page of several" "$RMFER" report base-seed0 base-seed1 base-seed2 full-seed0 full-seed1 full-seed2 -o several.html
whole several.html
holds "marks of significance" grep -q '+11.00 ± 1.00 \[8.52, 13.48\] \*\*' several.html
holds "and which test" grep -q 'paired t-test' several.html
mkdir -p results/odd-seed7
echo "{\"classes\": [\"x\", \"y\"], $evaluation, \"same_class_similarity\": 0.5, \"different_class_similarity\": 0.125, \"centre_distance\": 0.25}" |
    tee results/even-seed1.json results/even-seed2.json >results/odd-seed7/valid.json
check "results of eval --json" "$RMFER" table results/even-seed1.json results/even-seed2.json results/odd-seed7/valid.json --features
says "two files of one name" '| even | 2 | 70.00 ± 0.00 | 68.75 ± 0.00 | 0.500 ± 0.000 | 0.125 ± 0.000 | 0.375 ± 0.000 | 0.250 ± 0.000 |'
says "a file named after its folder" '| odd | 1 |'
sed 's/{/{"seed": 5, /' results/even-seed1.json | tee results/one.json >results/two.json
check "a seed in the file" "$RMFER" table results/one.json results/two.json --gain
says "makes a pair" '| two | 1 | 70.00 | +0.00 |'
check "no seed in common" "$RMFER" table results/one.json results/even-seed1.json --gain
says "is said" 'warning: even: none of its runs has the seed of one of one, so that there is no gain'
# A number is of a split and a data set, which is said; another one's is neither averaged nor taken for a gain without a word.
object="{\"classes\": [\"x\", \"y\"], $evaluation}"
echo "$object" | sed 's/{/{"dataset": "ferplus", /' | tee results/v-seed1.json >results/w-seed1.json
echo "$object" | sed 's/{/{"dataset": "rafdb", /; s/"valid"/"test"/' >results/t_-seed1.json
echo "$object" | sed 's/{/{"dataset": "rafdb", /' >results/r-seed1.json
check "two rows of one source" "$RMFER" table results/v-seed1.json results/w-seed1.json --gain
holds "a line below names it" [ "$(tail -n 2 out)" = "
Evaluated on the valid split of ferplus." ]
holds "and nothing is warned of" [ ! -s err ]
check "a gain across sources" "$RMFER" table results/v-seed1.json results/w-seed1.json results/t_-seed1.json --gain
says "it" 'warning: t_ is of the test split of rafdb, the first row of the valid split of ferplus: '
says "below, with the rows" '^Evaluated on the valid split of ferplus: v, w; on the test split of rafdb: t._\.$'
check "the same as CSV" "$RMFER" table results/v-seed1.json results/t_-seed1.json --format csv
says "CSV" ',split,dataset$'
says "CSV" ',"test","rafdb"$'
check "the same as LaTeX" "$RMFER" table results/v-seed1.json results/t_-seed1.json --format latex
says "LaTeX" '^% Evaluated on the valid split of ferplus: v; on the test split of rafdb: t._\.$'
check "a page of both" "$RMFER" report results/v-seed1.json results/t_-seed1.json -o both.html
holds "says so too" grep -q '<p class="note">Evaluated on the valid split of ferplus: v; on the test split of rafdb: t_.</p>' both.html
whole both.html
refuses "no mean of two splits" 2 'both: runs on the valid split of rafdb and on the test split of rafdb' \
    "$RMFER" table both=results/r-seed1.json,results/t_-seed1.json
refuses "nor of two data sets" 2 'both: runs on the valid split of ferplus and on the valid split of rafdb' \
    "$RMFER" table both=results/v-seed1.json,results/r-seed1.json
printf '[data]\nkind = ferplus\n' | cat - base-seed0/config.ini >with-kind
mkdir kind-seed0 && cp with-kind kind-seed0/config.ini && cp base-seed0/metrics.jsonl kind-seed0
check "a run folder knows its own" "$RMFER" table kind-seed0
says "it" '^Evaluated on the valid split of ferplus\.$'
# One name is one row, wherever its seeds stand in the list.
check "seeds by turns" "$RMFER" table base-seed0 full-seed0 base-seed1 full-seed1 base-seed2 full-seed2 --gain
says "two rows" '| full | 3 | 72.00 ± 2.00 | +11.00 ± 1.00 \[8.52, 13.48\] \\\*\\\* |'
holds "not more" [ "$(grep -c '^| [bf]' out)" -eq 2 ]
echo '{"x": 1}' >results/no.json
refuses "another JSON" 1 'no result of rmfer eval' "$RMFER" table results/no.json

# ---- with data ----
train_on_drawn_faces
check "a page with data" "$RMFER" report drawn -o drawn.html
whole drawn.html
check "eval" "$RMFER" eval --checkpoint drawn/best_overall.safetensors --split valid --json eval.json
if command -v python3 >/dev/null; then
    cat >same.py <<'PYTHON'
import json, re, sys
page, result = open("drawn.html", encoding="utf-8").read(), json.load(open("eval.json"))
def quoted(which):
    low, high = result[which + "_interval"]
    return f"{100 * result[which + '_accuracy']:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
assert f"overall accuracy {quoted('overall')}, average {quoted('average')}" in page
assert f"{result['n']} pictures of the valid split: overall accuracy {quoted('overall')}." in page
def cell(value): return "–" if value is None else f"{100 * value:.2f}"
by_class = page[page.index("<caption>by class"):]
for name, numbers in result["per_class"].items():
    row = re.search(rf'<th scope="row">{name}</th>\n<td>(\d+)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>', by_class)
    assert row.groups() == (str(numbers["n"]), cell(numbers["recall"]), cell(numbers["precision"]), cell(numbers["f1"])), name
for row in result["confusion"]: assert "".join(f"<td>{count}</td>" for count in row) + "</tr>" in page
calibration = result["calibration"]
assert f"calibration error {100 * calibration['expected_calibration_error']:.2f} %, NLL {calibration['negative_log_likelihood']:.4f}" in page
for name, value in (("among the features", result["centre_distance"]), ("same class", result["same_class_similarity"]),
                    ("different classes", result["different_class_similarity"])):
    assert f"{name}</th>\n<td>{value:.4f}</td>" in page, name
assert page.count("<img ") >= 12
PYTHON
    check "its numbers are those of eval --json" python3 same.py
else
    skip "no python3 to compare the page with eval --json"
fi
holds "the command is in the page" grep -q 'rmfer train --config run.ini' drawn.html
check "without pictures" "$RMFER" report drawn -o plain.html --no-pictures
if grep -q '<img' plain.html; then fail "--no-pictures shows pictures"; else pass; fi
holds "features are there all the same" grep -q 'Features in a plane' plain.html
check "without data" "$RMFER" report drawn -o bare.html --no-data
if grep -q 'Features in a plane' bare.html; then fail "--no-data evaluates"; else pass; fi
mv faces elsewhere
check "data that is gone" "$RMFER" report drawn -o gone.html
holds "is said to be" grep -q 'are not shown: ' gone.html
whole gone.html
mv elsewhere faces

# ---- a run that goes on ----
"$RMFER" train --config run.ini --out going --set train.max_steps=60 --set train.epochs=30 --set train.warmup_epochs=30 \
    --set eval.every=5 --set output.log_every=1 --threads 1 --quiet >train.out 2>&1 &
trainer=$!
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -s going/metrics.jsonl ] && break
    sleep 0.5
done
check "a page that follows a run ends with it" timeout 300 "$RMFER" report going -o going.html --watch=1
holds "the run has ended" [ "$(grep -c . going/metrics.jsonl)" -gt 0 ] && wait $trainer
holds "the last page knows the last epoch" grep -q "<td class=\"words\">$(tail -n 2 going/metrics.jsonl | head -n 1 | sed 's/.*"epoch": \([0-9.]*\).*/\1/' | awk '{ printf "%.4g", $1 }')</td>" going.html
if grep -q 'location.reload' going.html; then fail "the last page still renews itself"; else pass; fi

# Data that is there again is evaluated at the next look. Whoever holds the lock is the run.
mv faces elsewhere
flock drawn/.lock sh -c 'until [ -e over ]; do sleep 0.1; done' &
holder=$!
while flock -n drawn/.lock true; do sleep 0.1; done
timeout 300 "$RMFER" report drawn -o later.html --watch=1 >watch.out 2>watch.err &
watcher=$!
until [ -s later.html ]; do sleep 0.1; done
holds "data that is not there yet is said to be" grep -q 'are not shown: ' later.html
mv elsewhere faces
touch over
check "the page ends with the run" wait $watcher
wait $holder
rm over
holds "and shows the data" grep -q 'Features in a plane' later.html

# A page that cannot be written any more ends with the run, too.
mkdir gone
flock one/.lock sh -c 'until [ -e over ]; do sleep 0.1; done' &
holder=$!
while flock -n one/.lock true; do sleep 0.1; done
timeout 300 "$RMFER" report one -o gone/page.html --watch=1 --no-data >watch.out 2>watch.err &
watcher=$!
until [ -s gone/page.html ]; do sleep 0.1; done
rm -r gone
touch over
code=0
wait $watcher || code=$?
wait $holder
holds "a page that cannot be written ends with the run" [ $code -eq 1 ]
holds "and says why" grep -q 'error: .*gone/page.html' watch.err

finish
