"""What every command does around its main: flags in, one line and an exit code out."""

from dmls_tf.command_line.run import quiet_stderr, run, warn, with_flag_files
from dmls_tf.command_line.setting_flags import flag_lines, make

__all__ = ["flag_lines", "make", "quiet_stderr", "run", "warn", "with_flag_files"]
