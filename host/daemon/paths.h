/*
 * Where nvhost keeps things: the daemon's socket, lock and log, its saved state, and the
 * configuration files shared with nvme-cli. Used by nvhost and nvhostd alike. Pure but for the
 * environment; any thread.
 */
#ifndef NVD_PATHS_H
#define NVD_PATHS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * root: /run/nvhost, /var/lib/nvhost and /etc/nvme. A plain user: $XDG_RUNTIME_DIR/nvhost (else
 * /tmp/nvhost-UID), $XDG_STATE_HOME/nvhost (else ~/.local/state/nvhost), $XDG_CONFIG_HOME/nvhost
 * (else
 * ~/.config/nvhost). NVHOST_RUNTIME_DIR, NVHOST_STATE_DIR and NVHOST_CONFIG_DIR name other places;
 * so do the XDG variables for root, except for a login's own /run/user.
 */
int nvd_runtime_path(const char *file, char *ret_path, size_t len);
int nvd_state_path(const char *file, char *ret_path, size_t len);
/* index 0: the user's own configuration folder; 1: /etc/nvme. -ENOENT past the last. */
int nvd_config_path(unsigned int index, const char *file, char *ret_path, size_t len);

/* Makes the folder (and its parents, 0755) with mode 0700 and checks that it is ours and that
 * nobody else may write to it. A reason in err. */
int nvd_make_private_dir(const char *path, char *err, size_t err_len);

/* The same look without making it: -ENOENT, -EPERM (whoever owns it could answer in our name). */
int nvd_check_private_dir(const char *path, char *err, size_t err_len);

#define NVD_SOCKET "nvhostd.sock"
#define NVD_STATE  "state.json"

#endif
