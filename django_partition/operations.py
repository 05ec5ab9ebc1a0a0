"""The migration operation that creates a partitioned table; `makemigrations` writes it by itself."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import CreateModel, RenameField
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Model

from django_partition.models import column_of


class CreatePartitionedModel(CreateModel):
    """CreateModel of a table PARTITION BY RANGE (key), PRIMARY KEY (id, key), with a DEFAULT partition.

    Indexes, constraints and triggers of later operations go to the parent, and so to every partition.
    """

    # Every argument by its name: Django's writer of migration files leaves out what hides in **kwargs.
    def __init__(
        self,
        name: str,
        fields: Any,
        options: Any = None,
        bases: Any = None,
        managers: Any = None,
        *,
        key: str,
    ) -> None:
        self.key = key
        super().__init__(name, fields, options, bases, managers)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """What the migration file says."""
        name, args, kwargs = super().deconstruct()
        return name, list(args), {**kwargs, "key": self.key}

    def describe(self) -> str:
        """What makemigrations and migrate print."""
        return f"Create partitioned model {self.name}"

    def reduce(self, operation: Operation, app_label: str) -> Any:
        """Stay partitioned when the optimizer folds in a later operation: Django makes a CreateModel."""
        reduced = super().reduce(operation, app_label)
        if not isinstance(reduced, list):
            return reduced
        key = self.key
        if isinstance(operation, RenameField) and operation.old_name == key:
            key = operation.new_name
        return [
            partitioned(each, key) if type(each) is CreateModel and each is not operation else each
            for each in reduced
        ]

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Create the table; going back drops it as any model's."""
        model = to_state.apps.get_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            create_partitioned_table(schema_editor, model, self.key)


def partitioned(operation: CreateModel, key: str) -> CreatePartitionedModel:
    """The same creation, of a partitioned table."""
    return CreatePartitionedModel(
        operation.name,
        operation.fields,
        key=key,
        options=operation.options,
        bases=operation.bases,
        managers=operation.managers,
    )


def create_partitioned_table(editor: BaseDatabaseSchemaEditor, model: type[Model], key: str) -> None:
    """Create the parent, its id sequence and its DEFAULT partition. Dropping the parent drops all of it.

    Django writes the table; only two phrases differ. The primary key moves from the column to the table, and
    the identity becomes an owned sequence: partitioned tables have identity columns from PostgreSQL 17 only.
    """
    pk, name = model._meta.pk, model._meta.db_table
    table, default, sequence, pk_column, key_column = map(
        editor.quote_name,
        (name, f"{name}_default", f"{name}_{pk.column}_seq", str(pk.column), column_of(model, key)),
    )
    identity = pk.db_type_suffix(editor.connection)

    declared = f"{pk_column} {editor.column_sql(model, pk)[0]}"
    column = declared.replace(" PRIMARY KEY", "", 1)
    if identity:
        declared += f" {identity}"
        column += f" DEFAULT nextval('{sequence}')"
        editor.execute(f"CREATE SEQUENCE {sequence} AS {pk.db_type(editor.connection)}")

    plain_table_sql = editor.table_sql

    def table_sql(model: type[Model]) -> tuple[str, list[Any]]:
        sql, params = plain_table_sql(model)
        return sql.replace(declared, column, 1), params

    editor.table_sql = table_sql  # type: ignore[method-assign]
    editor.sql_create_table = (
        f"CREATE TABLE %(table)s (%(definition)s, PRIMARY KEY ({pk_column}, {key_column}))"
        f" PARTITION BY RANGE ({key_column})"
    )
    try:
        editor.create_model(model)
    finally:
        del editor.table_sql, editor.sql_create_table

    editor.execute(f"CREATE TABLE {default} PARTITION OF {table} DEFAULT")
    if identity:
        editor.execute(f"ALTER SEQUENCE {sequence} OWNED BY {table}.{pk_column}")
