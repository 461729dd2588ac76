# Firefox: a page with scripts to a picture; then the processes of a window, each with the library.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need firefox-esr

page=file://${BASH_SOURCE[0]%/*}/inputs/page.html
browser=(firefox-esr --headless --no-remote --profile "$PWD/profile" "--window-size=800,600")
mkdir profile
cat >profile/user.js <<'JS'
user_pref("app.normandy.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("toolkit.telemetry.server", "");
JS

descendants()
{
    local child

    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}

# Whether the processes that Firefox starts last, for pages to come, are there, and no process has
# come or gone for three seconds.
is_settled()
{
    local before

    before=$(descendants "$server")
    sleep 3
    mapfile -t processes < <(descendants "$server")
    [[ $before == "$(printf '%s\n' "${processes[@]}")" ]] &&
        ps -o comm= -p "${processes[*]}" | grep -qx 'Web Content'
}

under "${browser[@]}" --screenshot "$PWD/page.png" "$page" >&2
sum_of page.png
serve "${browser[@]}" "$page" >&2
await is_settled
took_over "$server" "${processes[@]}"
ps -o comm= -p "${processes[*]}" | sort -u
stop TERM
shopt -s nullglob
dumps=(profile/minidumps/*.dmp)
echo "${#dumps[@]} processes crashed"
