# What zsh offers at the end of a command line: "<match>" for each, among what else its terminal shows, and "<end>".
# usage: zsh -f complete.zsh FOLDER LINE; FOLDER has _octile. The line is completed in a shell of its own, with a terminal.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -u -D"
# Matches are written down in place of being shown.
zpty -w shell 'compadd() {
    if [[ " ${@[1,(i)(-|--)]} " == *" -"[OAD]" "* ]]; then builtin compadd "$@"; return; fi
    local -a matches; builtin compadd -A matches "$@"; print -l -- "<"${^matches}">"
}'
zpty -w shell 'zle -C matches complete-word _main_complete; all() { zle matches; print "<"end">" }; zle -N all; bindkey "^I" all'
zpty -w shell 'print "<"ready">"'
zpty -r -m shell answer '*<ready>*' || exit
zpty -w -n shell "$2"$'\t'
zpty -r -m shell answer '*<end>*' || exit
print -r -- $answer
