"""The login form of the back office."""

from __future__ import annotations

from unfold.forms import AuthenticationForm

from accounts.models import User


class LoginForm(AuthenticationForm):
    """Refuses a name that nobody can have before anything is looked up or counted by it."""

    def clean_username(self) -> str:
        """Django announces the length to the browser, but does not check it."""
        name: str = self.cleaned_data["username"]
        if len(name) > (User._meta.get_field("username").max_length or 0):
            raise self.get_invalid_login_error()
        return name
