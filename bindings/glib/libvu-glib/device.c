/* SPDX-License-Identifier: MIT */
/* VuGlibDevice: its class, its properties, and the C device that is made of them. */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <libvu-glib/vu-glib-enums.h>

#include "error.h"
#include "queue.h"
#include "settings.h"
#include "source.h"

typedef struct {
	GMutex lock; /* of what is made once */
	struct settings settings;
	struct core *core; /* atomic; NULL until it is prepared */
	GPtrArray *queues; /* of VuGlibQueue; as old as core */
	struct source_place place;
	gboolean closed; /* before it was prepared; under the lock */
} VuGlibDevicePrivate;

G_DEFINE_TYPE_WITH_PRIVATE(VuGlibDevice, vu_glib_device, G_TYPE_OBJECT)

enum { PROP_NEGOTIATED = SETTINGS_END, PROP_ATTACHED };

static VuGlibDevicePrivate *priv_of(VuGlibDevice *device)
{
	return vu_glib_device_get_instance_private(device);
}

static struct core *made_core(VuGlibDevice *device)
{
	return g_atomic_pointer_get(&priv_of(device)->core);
}

/* --- making it --- */

/* The two have to be of one length, of which libvu cannot know. */
static gboolean config_is_fine(const struct settings *s, GError **error)
{
	gsize size = s->config ? g_bytes_get_size(s->config) : 0;

	if (size > 4096)
		return error_fail(error, VU_GLIB_ERROR_INVALID, "config has more than 4096 bytes");
	if (s->config_writable && g_bytes_get_size(s->config_writable) != size)
		return error_fail(error, VU_GLIB_ERROR_INVALID,
				  "config-writable is not as long as config");
	return TRUE;
}

static gconstpointer data_of(GBytes *bytes)
{
	return bytes ? g_bytes_get_data(bytes, NULL) : NULL;
}

static gboolean device_make(VuGlibDevice *device, struct core **core, GError **error)
{
	const struct settings *s = &priv_of(device)->settings;
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = s->name && *s->name ? s->name : G_OBJECT_TYPE_NAME(device),
		.device_id = s->device_id,
		.n_queues = s->n_queues,
		.features = s->features,
		.required = s->required,
		.forbidden = s->forbidden,
		.config = data_of(s->config),
		.config_writable = data_of(s->config_writable),
		.config_size = s->config ? (uint32_t)g_bytes_get_size(s->config) : 0,
		.max_queue_size = s->max_queue_size,
		.max_segs = s->max_segs,
		.flags = s->flags & ~(guint)VU_GLIB_DEVICE_IOMMU,
		.log_level = (uint32_t)s->log_level,
		.max_memory = s->max_memory,
	};
	int ret;

	if (!config_is_fine(s, error) || !error_check(core_new(&info, s->failure, device, core),
						      "no device could be made", error))
		return FALSE;
	ret = s->flags & VU_GLIB_DEVICE_IOMMU ? vu_device_offer_iommu((*core)->dev) : 0;
	if (!error_check(ret, "ACCESS_PLATFORM cannot be offered", error)) {
		core_unref(*core);
		return FALSE;
	}
	vu_device_set_message_timeout((*core)->dev, s->message_timeout * UINT64_C(1000000));
	return TRUE;
}

static void device_make_queues(VuGlibDevice *device, struct core *core)
{
	VuGlibDevicePrivate *priv = priv_of(device);

	priv->queues = g_ptr_array_new_with_free_func(g_object_unref);
	for (guint i = 0; i < priv->settings.n_queues; i++)
		g_ptr_array_add(priv->queues, queue_new(core, i));
}

struct core *device_core(VuGlibDevice *device, GError **error)
{
	VuGlibDevicePrivate *priv = priv_of(device);
	struct core *core = made_core(device);

	if (core)
		return core;
	g_mutex_lock(&priv->lock);
	core = priv->core;
	if (priv->closed) {
		error_fail(error, VU_GLIB_ERROR_CLOSED, "the device is closed");
	} else if (!core && device_make(device, &core, error)) {
		device_make_queues(device, core);
		g_atomic_pointer_set(&priv->core, core);
	}
	g_mutex_unlock(&priv->lock);
	return made_core(device);
}

/* --- handlers that are there by default --- */

static gboolean default_accept(VuGlibDevice *device, GError **error)
{
	return TRUE;
}

static gboolean default_accept_features(VuGlibDevice *device, guint64 features, GError **error)
{
	return TRUE;
}

static gboolean default_write_config(VuGlibDevice *device, guint offset, guint length,
				     GError **error)
{
	return TRUE;
}

/* What was put back would come again at once: it is left until the driver adds more. */
static void default_queue_ready(VuGlibDevice *device, VuGlibQueue *queue)
{
	VuGlibRequest *request;
	gboolean wanted = TRUE;

	while (wanted && (request = vu_glib_queue_next(queue))) {
		if (vu_glib_request_get_flags(request) & VU_GLIB_REQUEST_TOO_LONG)
			vu_glib_request_fail(request);
		else
			device_emit_request(device, queue, request);
		wanted = !request_was_put_back(request);
		g_object_unref(request);
	}
}

/* --- the class --- */

static void vu_glib_device_init(VuGlibDevice *device)
{
	VuGlibDevicePrivate *priv = priv_of(device);

	g_mutex_init(&priv->lock);
	source_place_init(&priv->place);
}

static void device_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
	VuGlibDevicePrivate *priv = priv_of(VU_GLIB_DEVICE(object));

	g_mutex_lock(&priv->lock);
	if (!priv->core)
		settings_set(&priv->settings, id, value);
	g_mutex_unlock(&priv->lock);
	if (made_core(VU_GLIB_DEVICE(object)))
		g_critical("%s of a device that is prepared stays as it is", spec->name);
}

static void device_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
	VuGlibDevice *device = VU_GLIB_DEVICE(object);
	VuGlibDevicePrivate *priv = priv_of(device);
	struct core *core = made_core(device);

	if (id == PROP_NEGOTIATED) {
		g_value_set_uint64(value, core ? vu_device_features(core->dev) : 0);
	} else if (id == PROP_ATTACHED) {
		g_value_set_boolean(value, vu_glib_device_is_attached(device));
	} else {
		g_mutex_lock(&priv->lock);
		settings_get(&priv->settings, id, value);
		g_mutex_unlock(&priv->lock);
	}
}

static void device_dispose(GObject *object)
{
	vu_glib_device_close(VU_GLIB_DEVICE(object));
	G_OBJECT_CLASS(vu_glib_device_parent_class)->dispose(object);
}

static void device_finalize(GObject *object)
{
	VuGlibDevicePrivate *priv = priv_of(VU_GLIB_DEVICE(object));

	g_clear_pointer(&priv->queues, g_ptr_array_unref);
	g_clear_pointer(&priv->core, core_unref);
	source_place_clear(&priv->place);
	settings_clear(&priv->settings);
	g_mutex_clear(&priv->lock);
	G_OBJECT_CLASS(vu_glib_device_parent_class)->finalize(object);
}

static void vu_glib_device_class_init(VuGlibDeviceClass *klass)
{
	GObjectClass *object = G_OBJECT_CLASS(klass);

	object->set_property = device_set_property;
	object->get_property = device_get_property;
	object->dispose = device_dispose;
	object->finalize = device_finalize;
	klass->accept_session = default_accept;
	klass->accept_features = default_accept_features;
	klass->start = default_accept;
	klass->write_config = default_write_config;
	klass->queue_ready = default_queue_ready;
	settings_install(object);
	device_install_signals(klass);
	/**
	 * VuGlibDevice:negotiated:
	 *
	 * The bits offered that the driver accepted; 0 before it did.
	 */
	g_object_class_install_property(
		object, PROP_NEGOTIATED,
		g_param_spec_uint64("negotiated", NULL, NULL, 0, G_MAXUINT64, 0, G_PARAM_READABLE));
	/**
	 * VuGlibDevice:attached:
	 *
	 * Whether there is a front-end; #VuGlibDevice::session-begin and its like tell of changes.
	 */
	g_object_class_install_property(
		object, PROP_ATTACHED,
		g_param_spec_boolean("attached", NULL, NULL, FALSE, G_PARAM_READABLE));
}

VuGlibDevice *vu_glib_device_new(guint device_id, guint n_queues)
{
	return g_object_new(VU_GLIB_TYPE_DEVICE, "device-id", device_id, "n-queues", n_queues,
			    NULL);
}

/* --- its life --- */

gboolean vu_glib_device_prepare(VuGlibDevice *device, GError **error)
{
	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	return device_core(device, error) != NULL;
}

void vu_glib_device_close(VuGlibDevice *device)
{
	VuGlibDevicePrivate *priv;

	g_return_if_fail(VU_GLIB_IS_DEVICE(device));
	priv = priv_of(device);
	g_mutex_lock(&priv->lock);
	priv->closed = TRUE;
	g_mutex_unlock(&priv->lock);
	/* The source may have the last reference. */
	g_object_ref(device);
	source_place_empty(&priv->place);
	if (priv->core)
		core_close(priv->core);
	g_object_unref(device);
}

gboolean vu_glib_device_attach(VuGlibDevice *device, gint fd, GError **error)
{
	struct core *core;
	int copy, ret;

	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	core = device_core(device, error);
	if (!core || !core_enter(core, error))
		return FALSE;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	ret = copy < 0 ? -errno : vu_device_attach(core->dev, copy);
	if (ret < 0 && copy >= 0)
		close(copy);
	core_leave(core);
	if (!error_check(ret, "the front-end cannot be attached", error))
		return FALSE;
	return source_place_is_taken(&priv_of(device)->place) ||
	       vu_glib_device_serve(device, NULL, error);
}

static gboolean device_do(VuGlibDevice *device, void (*verb)(struct vu_device *), GError **error)
{
	struct core *core = device_core(device, error);

	if (!core || !core_enter(core, error))
		return FALSE;
	verb(core->dev);
	core_leave(core);
	return TRUE;
}

gboolean vu_glib_device_detach(VuGlibDevice *device, GError **error)
{
	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	return device_do(device, vu_device_detach, error);
}

gboolean vu_glib_device_drain(VuGlibDevice *device, GError **error)
{
	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	return device_do(device, vu_device_drain, error);
}

gboolean vu_glib_device_is_attached(VuGlibDevice *device)
{
	struct core *core;
	gboolean attached;

	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	core = made_core(device);
	if (!core || !gate_try(&core->gate))
		return core != NULL; /* another thread is at work: on a front-end's behalf */
	attached = vu_device_is_attached(core->dev);
	gate_leave(&core->gate);
	return attached;
}

static gboolean device_turn(gpointer device)
{
	struct core *core = made_core(device);

	core_turn(core);
	return g_atomic_int_get(&core->closed) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

GSource *vu_glib_device_create_source(VuGlibDevice *device, GError **error)
{
	struct core *core;

	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), NULL);
	core = device_core(device, error);
	if (core && g_atomic_int_get(&core->closed)) {
		error_fail(error, VU_GLIB_ERROR_CLOSED, "the device is closed");
		return NULL;
	}
	return core ? source_new(vu_device_fd(core->dev), device, device_turn, "VuGlibDevice")
		    : NULL;
}

gboolean vu_glib_device_serve(VuGlibDevice *device, GMainContext *context, GError **error)
{
	GSource *source;

	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), FALSE);
	source = vu_glib_device_create_source(device, error);
	if (!source)
		return FALSE;
	source_place_put(&priv_of(device)->place, source, context);
	/* Closed meanwhile, by another thread: that has found no source, or this one. */
	if (g_atomic_int_get(&made_core(device)->closed))
		source_place_empty(&priv_of(device)->place);
	return TRUE;
}

VuGlibQueue *vu_glib_device_get_queue(VuGlibDevice *device, guint index)
{
	g_return_val_if_fail(VU_GLIB_IS_DEVICE(device), NULL);
	if (!device_core(device, NULL) || index >= priv_of(device)->queues->len)
		return NULL;
	return g_ptr_array_index(priv_of(device)->queues, index);
}
