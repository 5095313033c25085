# SPDX-License-Identifier: MIT
# Shared by the scripts: sourced, not run.  POSIX sh, coreutils; sets $top and goes there.
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
began=${VU_BEGAN:-$(date +%s)} # one clock for a script and all that it starts
export VU_BEGAN=$began
export LC_ALL=C.UTF-8
exec </dev/null # nothing here ever asks

python=/usr/bin/python3 # one with the distribution's modules, where there are several
[ -x $python ] || python=python3

say() {
	printf '[%4ds] %s\n' $(($(date +%s) - began)) "$*"
}

die() {
	say "$*" >&2
	exit 1
}

# has_options DIR [meson options...]: whether a build folder was configured with these
has_options() {
	"$python" - "$@" <<-'END'
		import json, sys
		with open(sys.argv[1] + "/meson-info/intro-buildoptions.json", encoding="utf-8") as file:
		    has = {o["name"]: str(o["value"]).lower() for o in json.load(file)
		           if not isinstance(o["value"], list)}
		wanted = (o.removeprefix("-D").removeprefix("--").split("=", 1) for o in sys.argv[2:])
		sys.exit(any(has.get(w[0], w[1]) != w[1] for w in wanted))
	END
}

# Half the time to compile of -O2 -g, and lines are named all the same.
sanitizer_options="-Db_lundef=false -Doptimization=1 -Ddebug=true -Dc_args=-g1"

# build_tree DIR [meson options...]: configures once, builds; output is shown only if it failed.  Of what
# $targets_of, a command, prints where that is set: all of it otherwise.
build_tree() {
	tree=$1
	shift
	log=$tree.log
	if [ ! -e "$tree/build.ninja" ]; then
		say "configuring $tree"
		rm -rf "$tree"
		if ! meson setup "$tree" "$@" >"$log" 2>&1; then
			tail -n 8 "$log"
			return 1
		fi
	elif ! has_options "$tree" "$@"; then # somebody made it by hand, perhaps before cmocka was there
		say "configuring $tree anew"
		meson configure "$tree" "$@" >"$log" 2>&1 || { tail -n 8 "$log"; return 1; }
	fi
	say "building $tree"
	targets=
	if [ -n "$targets_of" ]; then # where meson's files have changed, the tests have
		ninja -C "$tree" build.ninja >"$log" 2>&1 || { tail -n 8 "$log"; return 1; }
		targets=$($targets_of "$tree") || return 1
	fi
	if ! ninja -C "$tree" $targets >"$log" 2>&1; then
		grep -v '^\[' "$log" | tail -n 40
		return 1
	fi
	rm -f "$log"
}

# fetch_into_cache NAME COMMAND...: runs it in a folder of its own; what it leaves in "tree" becomes
# $cache/NAME.  Nothing else is left, however it ends.
fetch_into_cache() {
	name=$1
	shift
	mkdir -p "$cache" && work=$(mktemp -d "$cache/fetch.XXXXXX") || return 1
	(
		trap 'rm -rf "$work"' EXIT
		trap 'exit 1' HUP INT TERM
		mkdir "$work/tree"
		(cd "$work" && "$@") >"$work/log" 2>&1 || { tail -n 3 "$work/log"; exit 1; }
		rm -rf "${cache:?}/$name" && mv "$work/tree" "$cache/$name"
	)
}

# The same rule as tests/guest/lib/kernel.py, which finds what is put here.
cache_folder() {
	if [ -n "$VU_CACHE" ]; then
		echo "$VU_CACHE"
	elif [ -n "$XDG_CACHE_HOME" ] || [ "$(id -u)" != 0 ]; then
		echo "${XDG_CACHE_HOME:-$HOME/.cache}/libvu"
	else
		echo /var/cache/libvu
	fi
}
