# Completion of rmfer's command line for bash. Commands and options are asked from the program itself, so that they are the
# ones it has. `make install` puts this where bash-completion looks.
_rmfer() {
    local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words=$("$program" --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
        COMPREPLY=($(compgen -W "$words --help --version" -- "$word"))
    elif [ "$command" = rmset ] && [ "$COMP_CWORD" -eq 2 ]; then
        words=$("$program" rmset --help 2>/dev/null | sed -n 's/^  rmfer rmset \([a-z]*\) .*/\1/p')
        COMPREPLY=($(compgen -W "$words --help" -- "$word"))
    elif [ "$command" = plot ] && [ "$COMP_CWORD" -eq 2 ]; then
        words=$("$program" plot --help 2>/dev/null | sed -n 's/^  *\(curves\|confusion\|mds\|similarity\|calibration\|attention\)  .*/\1/p')
        COMPREPLY=($(compgen -W "$words --help" -- "$word"))
    elif [[ $word == -* ]]; then
        [ "$command" = rmset ] && command="rmset ${COMP_WORDS[2]}"
        words=$("$program" $command --help 2>/dev/null | sed -n '/^options:/,$s/^ *\(-[a-z], \)\{0,1\}\(--[a-z-]*\).*/\2/p')
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    elif [ "$command" = config ]; then
        words=$("$program" config --list 2>/dev/null | sed 's/ .*//')
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}
complete -o filenames -F _rmfer rmfer
