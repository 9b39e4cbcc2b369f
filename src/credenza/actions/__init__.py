"""The management plane: one public function per action."""
