{% macro report_nations() %}
    {% set rows = run_query("select count(*) as nations from " ~ source('demo', 'nation')) %}
    {{ log("nations: " ~ rows.columns['nations'].values()[0], info=true) }}
{% endmacro %}

{% macro report_relations() %}
    {% set schema = api.Relation.create(database=target.database, schema='public') %}
    {% for row in list_relations_without_caching(schema) %}
        {{ log("relation: " ~ row[1] ~ " " ~ row[3], info=true) }}
    {% endfor %}
{% endmacro %}
